using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;

namespace Alveare.Kvm.Statistics;

/// <summary>Reads the counters of one run of a machine.</summary>
internal sealed class MachineMeter : IDisposable
{
    // A QEMU whose main loop waits for its storage answers late: the others' figures do not wait for it, and once it is known to hang, not at all.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly EntityId machine;
    private readonly ProcessMeter process;
    private readonly int[] taps;
    private Task<DiskCounters>? asked;
    private DiskCounters disk;

    // How long the virtual CPUs had run before QEMU was asked for what is in "disk", and whether it had been asked with the same before.
    private long diskAsOf = -1;
    private bool isSettled;

    /// <exception cref="IOException">The process is gone.</exception>
    public MachineMeter(EntityId machine, MachineRun run, IControlGroups? groups, IReadOnlyDictionary<string, int> links)
    {
        this.machine = machine;
        Run = run;
        process = new ProcessMeter(run.Process.Pid, groups?.CounterOf(run.Record.Attachments.ControlGroups));
        taps = [.. run.Record.Attachments.Taps.Where(links.ContainsKey).Select(t => links[t])];
    }

    public MachineRun Run { get; }

    /// <summary>Reads everything; what QEMU does not answer in time stays as it was.</summary>
    /// <remarks>QEMU is the dear part: it reads a question byte by byte, and makes its answer in the main loop that serves the guest. A guest
    /// whose virtual CPUs have not run since its QEMU was last asked has asked nothing of its disks, so the answer would be the same and the
    /// question is spared: once it has been put twice (what was under way has ended), and never in a regular reading.</remarks>
    /// <param name="regular">Ask QEMU in any case, and for the guest's own view of its memory too.</param>
    /// <exception cref="IOException">The process is gone.</exception>
    public async Task<MachineReading> ReadAsync(
        DateTimeOffset now, IReadOnlyDictionary<int, LinkCounters> links, PageMerging merging, bool regular, TimeSpan interval)
    {
        var cpus = process.ReadVirtualCpus();
        if (regular || !isSettled || cpus.RanNanoseconds != diskAsOf)
            await AskQemuAsync(cpus.RanNanoseconds, regular, interval);
        var network = default(LinkCounters);
        foreach (var tap in taps)
            network += links.GetValueOrDefault(tap).FromOtherEnd();
        var (consumed, balloon) = (process.ReadMemory(merging), Run.Balloon.State);
        return new MachineReading(
            machine, now, process.VirtualCpus, process.ReadCpuNanoseconds(), cpus.ReadyNanoseconds,
            consumed, BalloonState.Active(consumed, balloon), balloon?.Ballooned ?? Bytes.Zero, disk, network);
    }

    /// <summary>Null when the process is gone.</summary>
    public MachineUse? TryReadUse(PageMerging merging)
    {
        try
        {
            var consumed = process.ReadMemory(merging);
            return new MachineUse(process.ReadCpuNanoseconds(), process.ReadVirtualCpus().ReadyNanoseconds, consumed, BalloonState.Active(consumed, Run.Balloon.State));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What each device has done; null when QEMU does not answer in time.</summary>
    /// <param name="disks">How many there are; 0 asks about none.</param>
    /// <param name="links">The counters of all links; null asks about no network card.</param>
    public async Task<DeviceCounters?> TryReadDevicesAsync(int disks, IReadOnlyDictionary<int, LinkCounters>? links)
    {
        try
        {
            return new DeviceCounters(
                disks == 0 ? [] : await BlockStatistics.ReadEachAsync(Run.Qmp, disks, Patience),
                links is null ? [] : [.. taps.Select(t => links.GetValueOrDefault(t).FromOtherEnd())]);
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            return null;
        }
    }

    public void Dispose() => process.Dispose();

    private async Task AskQemuAsync(long ran, bool askGuest, TimeSpan interval)
    {
        if (asked is { IsCompleted: false })
            return;
        asked = BlockStatistics.ReadAsync(Run.Qmp, QmpConnection.DefaultTimeout);
        try
        {
            disk = await asked.WaitAsync(Patience);
            (isSettled, diskAsOf) = (ran == diskAsOf && process.VirtualCpus > 0, ran);
            if (askGuest)
                await Run.Balloon.ReadAsync(interval);
        }
        catch (Exception e) when (e is QmpException or QmpClosedException or TimeoutException)
        {
            // What it said last stands. Its end, if that is why, is noticed elsewhere.
        }
    }
}
