using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Machines;

/// <summary>Holds the disks and network cards of running machines to their own limits and to what their resource pools leave them, and has them weigh what
/// their shares and their pools' say.</summary>
/// <remarks>QEMU holds back what a guest asks of its disks, and queues of the kernel its frames; the kernel weighs. What each device is left of a pool's limit
/// is reckoned by <see cref="DeviceRate"/>. One call at a time.</remarks>
/// <param name="groups">Null where the machine has no control groups to offer.</param>
/// <param name="whyNoWeights">Why the disk below a file is not shared by weight, or null when it is.</param>
/// <param name="report">Told what of a machine's controls cannot be had, and why.</param>
internal sealed class DeviceEnforcement(
    IControlGroups? groups, TapShaping taps, UplinkShares uplink, Func<DatastorePath, string?> whyNoWeights, Action<Machine, string> report)
{
    // So much two parts of a pool may differ and be the same to a device that keeps to one of them.
    private const double Same = 0.03;

    private static readonly ImmutableArray<DeviceRate> DiskRates = [DeviceRate.Iops, DeviceRate.DiskBytes];
    private static readonly ImmutableArray<DeviceRate> NicRates = [DeviceRate.Out, DeviceRate.In];

    private readonly ConditionalWeakTable<MachineRun, InForce> inForce = [];

    /// <summary>The machines of which must be known what their disks do, and their network cards, to divide what pools are held to.</summary>
    public static (IReadOnlySet<EntityId> Disks, IReadOnlySet<EntityId> Nics) Rated(ImmutableArray<HostPool> pools) =>
        (DiskRates.SelectMany(r => r.MachinesHeldBy(pools)).ToHashSet(), NicRates.SelectMany(r => r.MachinesHeldBy(pools)).ToHashSet());

    /// <summary>Brings all devices to what they are to be held to and to weigh.</summary>
    /// <param name="pools">This host's part of them.</param>
    /// <param name="work">What devices did lately, of machines of which it is known.</param>
    /// <param name="changed">The machine that has come or changed: of it is said what cannot be had.</param>
    public void Divide(
        IReadOnlyList<RunningMachine> running, ImmutableArray<HostPool> pools, IReadOnlyDictionary<MachineRun, DeviceWork> work, Machine? changed)
    {
        var parts = new Parts(DiskRates.Concat(NicRates).Where(r => r.IsLimited(pools)).ToDictionary(
            r => r, r => r.DivideAmongDevices(running.ToDictionary(m => m.Machine.Id, m => ClaimsOf(r, m, work)), pools)));
        foreach (var one in running)
        {
            var isChanged = one.Machine == changed;
            var throttled = Throttle(one, PresentOf(one), DisksOf(one, parts), isChanged);
            inForce.AddOrUpdate(one.Run, throttled with { Nics = Shape(one, throttled.Nics, NicsOf(one, parts), isChanged) });
        }

        ShareUplink(running, pools, changed);
        WeighDisks(running, pools, changed);
    }

    /// <summary>Ends when QEMU has been told the limits of its disks that were divided last.</summary>
    /// <exception cref="FaultException">It did not take them.</exception>
    public Task ThrottledAsync(MachineRun run) => inForce.TryGetValue(run, out var present) ? present.Throttling : Task.CompletedTask;

    private ImmutableArray<Claim> ClaimsOf(DeviceRate rate, RunningMachine one, IReadOnlyDictionary<MachineRun, DeviceWork> work)
    {
        var present = PresentOf(one);
        var held = rate.DevicesOf(one.Spec.WithControls(
            one.Spec.Resources, present.Disks ?? [.. one.Spec.Disks.Select(d => d.Control)], present.Nics ?? [.. one.Spec.Nics.Select(n => n.Control)]));
        var done = work.TryGetValue(one.Run, out var known) ? known.Of(rate) : [];
        return [.. rate.DevicesOf(one.Spec).Select((d, i) => rate.ClaimOf(d, i < done.Length ? done[i] : null, held[i].Limit ?? double.PositiveInfinity))];
    }

    // Of one that an earlier agent started nothing is known. Another has been held to its own limits of disks before its guest ran, and its taps are new.
    private InForce PresentOf(RunningMachine one) => inForce.TryGetValue(one.Run, out var present)
        ? present
        : one.Run.IsAdopted ? new InForce(null, null, 0, Task.CompletedTask) : new InForce(DisksOf(one, Parts.None), [.. one.Spec.Nics.Select(_ => NicControl.None)], 0, Task.CompletedTask);

    private static ImmutableArray<DiskControl> DisksOf(RunningMachine one, Parts parts) =>
    [
        .. one.Spec.Disks.Select((d, i) => new DiskControl
        {
            IopsLimit = (int?)parts.MostOf(DeviceRate.Iops, one, i) ?? d.Control.IopsLimit,
            BandwidthLimit = parts.MostOf(DeviceRate.DiskBytes, one, i) is { } bytes ? new Bytes(bytes) : d.Control.BandwidthLimit,
        }),
    ];

    private static ImmutableArray<NicControl> NicsOf(RunningMachine one, Parts parts) =>
    [
        .. one.Spec.Nics.Select((n, i) => new NicControl
        {
            Out = Within(n.Control.Out, parts.MostOf(DeviceRate.Out, one, i)),
            In = Within(n.Control.In, parts.MostOf(DeviceRate.In, one, i)),
        }),
    ];

    private static TrafficShaping? Within(TrafficShaping? own, long? most) =>
        most is not { } bytes ? own : own is null ? new TrafficShaping(new Bytes(bytes)) : own with { Average = new Bytes(bytes) };

    private InForce Throttle(RunningMachine one, InForce present, ImmutableArray<DiskControl> wanted, bool isChanged)
    {
        // QEMU did not take what it was told last: how far it came is not known, so it is told all of it again.
        var told = RefusalOf(present.Throttling);
        var changes = Enumerable.Range(0, wanted.Length)
            .Where(i => told is not null || (present.Disks is { } known ? !IsSame(known[i], wanted[i], isChanged) : isChanged))
            .ToList();
        if (changes.Count == 0)
            return present;
        var throttling = ThrottleAsync(present.Throttling, one, [.. changes.Select(i => (i, wanted[i]))]);
        _ = ReportAsync(one.Machine, throttling, isChanged ? null : told);
        return present with { Disks = present.Disks is { } before ? [.. wanted.Select((w, i) => changes.Contains(i) ? w : before[i])] : wanted, Throttling = throttling };
    }

    private static async Task ThrottleAsync(Task before, RunningMachine one, ImmutableArray<(int Disk, DiskControl Control)> changes)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var (disk, control) in changes)
            await PowerControl.CommandAsync(one.Machine, one.Run, DiskThrottle.Command, DiskThrottle.Of(disk, control));
    }

    /// <param name="told">The refusal that was told already: it is not told again each time.</param>
    private async Task ReportAsync(Machine machine, Task throttling, Fault? told)
    {
        try
        {
            await throttling;
        }
        catch (FaultException e)
        {
            // Of one that ended there is nothing more to hold.
            if (e.Fault is not MachineDied && e.Fault != told)
                report(machine, e.Fault.Message);
        }
    }

    private static Fault? RefusalOf(Task throttling) => (throttling.Exception?.InnerException as FaultException)?.Fault;

    // Null where it is not known what is in force: that is asked for again when the machine changes, and not every few seconds.
    private ImmutableArray<NicControl>? Shape(RunningMachine one, ImmutableArray<NicControl>? present, ImmutableArray<NicControl> wanted, bool isChanged)
    {
        // A machine that starts is waited for: where there is nothing to limit and nothing to lift, the kernel is not asked.
        if (wanted.IsEmpty || (present is { } known ? known.Zip(wanted).All(n => IsSame(n.First, n.Second, isChanged)) : !isChanged))
            return present;
        if (taps.Apply(wanted, one.Run.Record.Attachments.Taps) is not { } why)
            return wanted;
        if (wanted.Any(n => n is not { Out: null, In: null }))
            report(one.Machine, why);
        return null;
    }

    private void ShareUplink(IReadOnlyList<RunningMachine> running, ImmutableArray<HostPool> pools, Machine? changed)
    {
        var cards = running.Where(m => !m.Spec.Nics.IsEmpty).ToDictionary(m => m.Machine.Id, m => m.Spec.Nics.Sum(n => (double)SharesOf(n)));
        var weights = DeviceWeights.OfNics(cards, pools);
        var why = uplink.Divide(
            [.. running.SelectMany(m => m.Spec.Nics.Select(n => new UplinkCard(n.Mac, SharesOf(n) * weights[m.Machine.Id] / cards[m.Machine.Id], n.Control.Out?.Average.Value)))],
            isShared: DeviceWeights.CountNics(pools) || running.Any(m => m.Spec.Nics.Any(n => n.Control.Shares is not null)));
        if (why is not null && changed?.Current.Spec is { } spec && spec.Nics.Any(n => n.Control.Shares is not null))
            report(changed, $"shares of network cards do nothing, because {why}");
    }

    private void WeighDisks(IReadOnlyList<RunningMachine> running, ImmutableArray<HostPool> pools, Machine? changed)
    {
        var shares = running.Where(m => !m.Spec.Disks.IsEmpty).ToDictionary(m => m.Machine.Id, m => (double)ShareScale.DiskShares(m.Spec.Disks.Select(d => d.Control)));
        var weights = DeviceWeights.OfDisks(shares, pools);
        var all = (long)weights.Values.Sum();
        foreach (var one in running)
        {
            var present = PresentOf(one);
            var weight = Math.Max(1, (long)Math.Round(weights.GetValueOrDefault(one.Machine.Id)));
            if (one.Machine != changed && IsNear(weight, present.Weight))
                continue;
            inForce.AddOrUpdate(one.Run, present with { Weight = weight });
            var isWeighed = groups?.WeighDisks(one.Run.Record.Attachments.ControlGroups, weight, all) ?? false;
            if (one.Machine != changed || one.Spec.Disks.All(d => d.Control.Shares is null))
                continue;
            if (!isWeighed)
                report(changed, "this host's control groups have no weights of disks (io.weight, io.bfq.weight or blkio.bfq.weight)");
            else if (whyNoWeights(one.Machine.Current.Config) is { } why)
                report(changed, $"shares of disks do nothing, because {why}");
        }
    }

    private static int SharesOf(NicSpec nic) => nic.Control.Shares ?? ShareScale.NormalNic;

    private static bool IsSame(DiskControl one, DiskControl other, bool exactly) =>
        exactly ? one == other : IsNear(one.IopsLimit, other.IopsLimit) && IsNear(one.BandwidthLimit?.Value, other.BandwidthLimit?.Value);

    private static bool IsSame(NicControl one, NicControl other, bool exactly) =>
        exactly ? one == other : IsNear(one.Out?.Average.Value, other.Out?.Average.Value) && IsNear(one.In?.Average.Value, other.In?.Average.Value);

    private static bool IsNear(long? one, long? other) => one is { } a && other is { } b ? Math.Abs(a - b) <= Same * Math.Max(a, b) : one == other;

    /// <summary>What the devices of each machine are left of pools' limits.</summary>
    private sealed class Parts(IReadOnlyDictionary<DeviceRate, ImmutableDictionary<EntityId, ImmutableArray<double>>> parts)
    {
        // A limit of nothing would be none.
        private const long Least = 1;

        public static readonly Parts None = new(ImmutableDictionary<DeviceRate, ImmutableDictionary<EntityId, ImmutableArray<double>>>.Empty);

        /// <summary>Within its own limit; null for one that no pool holds, nor its own limit where a pool holds others.</summary>
        public long? MostOf(DeviceRate rate, RunningMachine one, int device) =>
            parts.TryGetValue(rate, out var all) && all[one.Machine.Id][device] is var most && double.IsFinite(most) ? Math.Max(Least, (long)most) : null;
    }

    /// <param name="Disks">The limits; null where they are not known.</param>
    /// <param name="Nics">As of disks.</param>
    /// <param name="Weight">Of all its disks; 0 where none has been written.</param>
    private sealed record InForce(ImmutableArray<DiskControl>? Disks, ImmutableArray<NicControl>? Nics, long Weight, Task Throttling);
}
