using System.Collections.Immutable;
using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Statistics;

namespace Alveare.Kvm.Statistics;

/// <summary>Samples this host and its machines: regularly for whoever watches the host, and whenever somebody asks.</summary>
/// <remarks>Made to be cheap: kernel files are kept open, the counters of all taps come in one netlink dump, and of QEMU only the disks'
/// counters are asked for, of all machines at once.</remarks>
public sealed class StatisticsSampler(
    EntityId host,
    string? uplink,
    MachineTable machines,
    HostState state,
    IControlGroups? groups,
    TimeProvider time,
    TimeSpan interval) : IAsyncDisposable
{
    // Rates over less than this say more about the moment than about the machine: a question right after a regular sample goes back one further.
    private static readonly TimeSpan ShortestSpan = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim reading = new(1, 1);
    private readonly CancellationTokenSource stopping = new();
    private readonly Dictionary<EntityId, MachineMeter> meters = [];
    private ImmutableArray<int> ownLinks = [];
    private Reading? last;
    private Reading? beforeLast;
    private Task loop = Task.CompletedTask;

    /// <summary>Takes the first reading, which later ones are compared with, and goes on regularly.</summary>
    public async Task StartAsync()
    {
        last = await ReadAsync(regular: true);
        loop = RunAsync();
    }

    /// <summary>Samples now. Rates are since the last regular reading, or the one before when that is less than a second ago.</summary>
    public async Task<StatisticsSampled> SampleAsync()
    {
        await reading.WaitAsync(stopping.Token);
        try
        {
            var now = await ReadAsync(regular: false);
            return Compare(now, time.GetElapsedTime(last!.Timestamp, now.Timestamp) < ShortestSpan && beforeLast is not null ? beforeLast : last);
        }
        finally
        {
            reading.Release();
        }
    }

    /// <summary>What every machine that runs uses of CPU and memory; nothing else is read, and QEMU is not asked.</summary>
    internal async Task<IReadOnlyDictionary<MachineRun, MachineUse>> ReadUseAsync()
    {
        await reading.WaitAsync(stopping.Token);
        try
        {
            using var links = new Links();
            FollowMachines(links, regular: false);
            var merging = PageMerging.Read();
            var uses = new Dictionary<MachineRun, MachineUse>();
            foreach (var meter in meters.Values)
            {
                if (meter.TryReadUse(merging) is { } use)
                    uses.Add(meter.Run, use);
            }

            return uses;
        }
        finally
        {
            reading.Release();
        }
    }

    /// <summary>What each device of these runs has done; of those that answer. QEMU is asked about disks, and the kernel about network cards.</summary>
    /// <param name="disks">The runs whose disks are asked about; of others nothing is said of them. So with <paramref name="nics"/>.</param>
    internal async Task<IReadOnlyDictionary<MachineRun, DeviceCounters>> ReadDevicesAsync(IReadOnlyCollection<MachineRun> disks, IReadOnlyCollection<MachineRun> nics)
    {
        if (disks.Count == 0 && nics.Count == 0)
            return new Dictionary<MachineRun, DeviceCounters>();
        await reading.WaitAsync(stopping.Token);
        try
        {
            using var links = new Links();
            FollowMachines(links, regular: false);
            var counters = nics.Count == 0 ? null : links.ReadCounters();
            var read = await Task.WhenAll(meters.Where(m => disks.Contains(m.Value.Run) || nics.Contains(m.Value.Run)).Select(async m => (
                m.Value.Run,
                Devices: await m.Value.TryReadDevicesAsync(
                    disks.Contains(m.Value.Run) ? machines.TryFind(m.Key)?.Current.Spec?.Disks.Length ?? 0 : 0,
                    nics.Contains(m.Value.Run) ? counters : null))));
            return read.Where(r => r.Devices is not null).ToDictionary(r => r.Run, r => r.Devices!);
        }
        finally
        {
            reading.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await loop;
        await reading.WaitAsync();
        foreach (var meter in meters.Values)
            meter.Dispose();
        stopping.Dispose();
        reading.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping.Token))
                await SampleRegularlyAsync();
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
    }

    private async Task SampleRegularlyAsync()
    {
        await reading.WaitAsync(stopping.Token);
        try
        {
            var now = await ReadAsync(regular: true);
            state.Publish(Compare(now, last!));
            (beforeLast, last) = (last, now);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The kernel was out of something (file descriptors, memory), or worse: the next interval tries again, whatever it was.
            state.Publish(new HostEventRaised("host.statistics-missing", host, $"No statistics could be read: {e.Message.TrimEnd('.')}.", IsProblem: true));
        }
        finally
        {
            reading.Release();
        }
    }

    private StatisticsSampled Compare(Reading now, Reading earlier)
    {
        var span = time.GetElapsedTime(earlier.Timestamp, now.Timestamp);
        return new(
            now.Host.Since(earlier.Host, span, host, now.Machines.Count),
            [.. now.Machines.Values.Select(m => Compare(m, earlier.Machines.GetValueOrDefault(m.Reading.Machine), span))]);
    }

    private static MachineSample Compare(MeteredRun now, MeteredRun? earlier, TimeSpan span)
    {
        if (earlier?.Run == now.Run)
            return now.Reading.Since(earlier.Reading, span);
        // Of a start only the date is known: an earlier agent may have made it.
        var start = MachineReading.Zero(now.Reading.Machine, now.Run.Record.StartedAt);
        return now.Reading.Since(start, now.Reading.At - start.At);
    }

    private async Task<Reading> ReadAsync(bool regular)
    {
        using var links = new Links();
        FollowMachines(links, regular);
        var counters = links.ReadCounters();
        var merging = PageMerging.Read();
        var (now, timestamp) = (time.GetUtcNow(), time.GetTimestamp());
        var readings = await Task.WhenAll(meters.Values.Select(m => TryReadAsync(m, now, counters, merging, regular)).ToArray());
        var network = default(LinkCounters);
        foreach (var link in ownLinks)
            network += counters.GetValueOrDefault(link);
        return new Reading(
            timestamp,
            HostReading.Parse(now, File.ReadAllText("/proc/stat"), File.ReadAllText("/proc/meminfo"), network),
            readings.OfType<MeteredRun>().ToDictionary(r => r.Reading.Machine));
    }

    private async Task<MeteredRun?> TryReadAsync(
        MachineMeter meter, DateTimeOffset now, IReadOnlyDictionary<int, LinkCounters> links, PageMerging merging, bool regular)
    {
        try
        {
            return new MeteredRun(meter.Run, await meter.ReadAsync(now, links, merging, regular, interval));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended a moment ago.
            return null;
        }
    }

    /// <summary>Has a meter for every machine that runs and none for others.</summary>
    private void FollowMachines(Links links, bool regular)
    {
        var runs = machines.All.Where(m => m.Run is not null).ToDictionary(m => m.Id, m => m.Run!);
        foreach (var ended in meters.Where(m => runs.GetValueOrDefault(m.Key) != m.Value.Run).ToArray())
        {
            meters.Remove(ended.Key);
            ended.Value.Dispose();
        }

        var begun = runs.Where(r => !meters.ContainsKey(r.Key)).ToArray();
        if (!regular && begun.Length == 0)
            return;
        var present = links.List();
        ownLinks = [.. present.Where(IsOwn).Select(l => l.Index)];
        var indexes = present.ToDictionary(l => l.Name, l => l.Index);
        foreach (var (machine, run) in begun)
            TryMeter(machine, run, indexes);
    }

    private void TryMeter(EntityId machine, MachineRun run, IReadOnlyDictionary<string, int> links)
    {
        try
        {
            meters[machine] = new MachineMeter(machine, run, groups, links);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended a moment ago.
        }
    }

    /// <summary>Whether a device carries the host's traffic to the outside: its uplink, or without one every physical device.</summary>
    private bool IsOwn(Link link) => uplink is null ? link.Kind.Length == 0 && link.Name != "lo" : link.Name == uplink;

    private sealed record MeteredRun(MachineRun Run, MachineReading Reading);

    private sealed record Reading(long Timestamp, HostReading Host, IReadOnlyDictionary<EntityId, MeteredRun> Machines);
}
