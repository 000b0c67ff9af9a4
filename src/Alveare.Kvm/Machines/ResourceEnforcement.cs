using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Machines;

/// <summary>Holds running machines to what they and their resource pools are promised and held to, by their control groups and the balloons of their
/// guests.</summary>
/// <remarks>What each is held to is reckoned by <see cref="CpuSharing"/> and <see cref="MemorySharing"/>; disks and network cards are
/// <see cref="DeviceEnforcement"/>'s.</remarks>
/// <param name="groups">Null where the machine has no control groups to offer.</param>
/// <param name="whyNoWeights">Why the disk below a file is not shared by weight, or null when it is.</param>
/// <param name="facts">What the host has.</param>
/// <param name="pools">This host's part of them, as it was told last.</param>
public sealed class ResourceEnforcement(
    HostState state, MachineTable machines, IControlGroups? groups, TapShaping taps, UplinkShares uplink, Func<DatastorePath, string?> whyNoWeights, HostFacts facts,
    Func<ImmutableArray<HostPool>> pools)
{
    private readonly CpuSharing cpu = new(facts.CpuClock, facts.CpuCapacity);
    private readonly MemorySharing memory = new(facts.MemoryForGuests);
    private readonly Lock gate = new();
    private readonly DeviceEnforcement devices = new(groups, taps, uplink, whyNoWeights, (machine, why) => Report(state, machine, why));

    // What each run is held to already: most are not touched by another's coming.
    private readonly ConditionalWeakTable<MachineRun, InForce> inForce = [];
    private IReadOnlyDictionary<MachineRun, MachineDemand> demands = new Dictionary<MachineRun, MachineDemand>();
    private IReadOnlyDictionary<MachineRun, DeviceWork> work = new Dictionary<MachineRun, DeviceWork>();
    private CommonLimits? common;

    /// <summary>The most that QEMU keeps of code that it has translated; nothing where the guests' instructions are executed by the CPU.</summary>
    public required Func<Bytes> TranslationCache { get; init; }

    /// <summary>The runs whose guests are asked what they use of memory before the host divides: those that have a limit, or are yet to be held to it.</summary>
    public IReadOnlyList<MachineRun> Held => [.. machines.All.Select(m => m.Run).OfType<MachineRun>().Where(
        r => r.Balloon.IsAwaited || (inForce.TryGetValue(r, out var present) && present is { IsWhole: false } or { Limits.Memory.Most: not null }))];

    /// <summary>The runs of whose disks, and of whose network cards, it must be known what they do before the host divides: those in pools that are held to some of it.</summary>
    public (IReadOnlyList<MachineRun> Disks, IReadOnlyList<MachineRun> Nics) Rated
    {
        get
        {
            var (disks, nics) = DeviceEnforcement.Rated(pools());
            return (RunsOf(disks), RunsOf(nics));

            IReadOnlyList<MachineRun> RunsOf(IReadOnlySet<EntityId> rated) =>
                rated.Count == 0 ? [] : [.. machines.All.Where(m => rated.Contains(m.Id)).Select(m => m.Run).OfType<MachineRun>()];
        }
    }

    /// <summary>What a machine's process cannot be brought below: what it takes, or with a balloon what its guest needs.</summary>
    public Bytes LeastMemoryOf(MachineRun run)
    {
        var taken = run.Process.ReadMemory();
        return GuestOf(run) is { } guest && guest.Keeps < taken.Value ? new Bytes((long)guest.Keeps) : taken;
    }

    /// <summary>Divides anew after a machine has come or changed. What cannot be applied is an event about that one, if it was asked for.</summary>
    public void Apply(Machine changed) => Divide(changed);

    /// <summary>Divides anew by what machines want now; one that is not among them is taken to want everything.</summary>
    /// <param name="done">What the devices of those in <see cref="Rated"/> did.</param>
    public void Divide(IReadOnlyDictionary<MachineRun, MachineDemand> wanted, IReadOnlyDictionary<MachineRun, DeviceWork> done)
    {
        lock (gate)
            (demands, work) = (wanted, done);
        Divide(changed: null);
    }

    /// <summary>Divides anew by what machines wanted last.</summary>
    public void Divide() => Divide(changed: null);

    /// <summary>Ends when the QEMU of a machine that has changed has been told the limits of its disks.</summary>
    /// <exception cref="FaultException">It did not take them.</exception>
    public Task ThrottledAsync(MachineRun run) => devices.ThrottledAsync(run);

    private void Divide(Machine? changed)
    {
        // One at a time: an older division must not come last.
        lock (gate)
        {
            var running = machines.All.Where(m => m is { Run: not null, Current.Spec: not null }).Select(m => new RunningMachine(m, m.Run!, m.Current.Spec!)).ToList();
            var told = pools();
            var isHeld = told.Any(p => p.Memory?.Limit is not null);
            // What a group has taken is asked where it matters: a machine that starts is waited for.
            var sharers = running.ConvertAll(r => SharerOf(
                r, groups is not null && (isHeld || r.Spec.Resources.Memory.Limit is not null) ? groups.ReadMemory(r.Run.Record.Attachments.ControlGroups) : Bytes.Zero));
            var (cpus, bytes) = (cpu.Divide(sharers, told), memory.Divide(sharers, told));
            foreach (var one in running)
            {
                var held = bytes[one.Machine.Id];
                Apply(one, new GroupLimits(cpus[one.Machine.Id], one.IsMoving ? held with { Most = null } : held), isChanged: one.Machine == changed);
            }

            devices.Divide(running, told, work, changed);
            // Their common group goes with the last, and the first that comes is in it before it is known to run: it would be starved by the weight of none.
            if (running.Count == 0)
            {
                common = null;
                return;
            }

            var all = running.Select(r => inForce.TryGetValue(r.Run, out var present) ? present.Limits.Memory : bytes[r.Machine.Id]).ToList();
            var together = new CommonLimits(sharers.Sum(s => (long)s.CpuShares), new Bytes(all.Sum(m => m.Promised.Value)), new Bytes(all.Sum(m => m.Due.Value)));
            if (changed is not null || together != common)
                groups?.Apply(together);
            common = together;
        }
    }

    private Sharer SharerOf(RunningMachine one, Bytes taken)
    {
        one.Run.Balloon.See(taken);
        return new(
            one.Machine.Id, one.Spec, taken, demands.TryGetValue(one.Run, out var demand) ? demand : null,
            inForce.TryGetValue(one.Run, out var present) ? present.Limits : null, GuestOf(one.Run));
    }

    private BalloonedGuest? GuestOf(MachineRun run) => run.Balloon.State is { InUse: { } inUse } known
        ? new BalloonedGuest(known.Memory.Value, known.Ballooned.Value, inUse.Value, Math.Max(run.Balloon.Overhead.Value, OverheadOf(known.Memory)))
        : null;

    // Beside what it has translated QEMU 7.2 took 25 MiB for a small guest; the rest is for page tables and what comes with size.
    private double OverheadOf(Bytes memory) => TranslationCache().Value + Bytes.FromMib(40).Value + (memory.Value / 256.0);

    private void Apply(RunningMachine one, GroupLimits limits, bool isChanged)
    {
        // Not in mid-migration: the balloon goes with the guest, and where it arrives it is asked for more or less.
        if (limits.Memory.Guest is { } target && target != one.Run.Balloon.State?.Has && one.Machine.Current is { Power: PowerState.On, Migration: null })
            _ = one.Run.Balloon.SetAsync(target);
        inForce.TryGetValue(one.Run, out var present);
        if (present is { IsWhole: true } && (isChanged ? limits == present.Limits : limits.IsNear(present.Limits)))
            return;
        var unwritten = groups?.Apply(one.Run.Record.Attachments.ControlGroups, limits, present is { IsWhole: true } ? present.Limits : null) ?? [new("any control group")];
        // What this kernel lacks it will not have the next time either. What it refused it is asked again: it does not take a limit of memory that the
        // group has come beyond meanwhile, and the one before stands.
        var isWhole = unwritten.All(u => u.Why is null);
        inForce.AddOrUpdate(one.Run, new InForce(isWhole ? limits : limits with { Memory = limits.Memory with { Most = present?.Limits.Memory.Most } }, isWhole));
        var isHeldNow = present is not { IsWhole: false }
            && ((limits.Cpu.Cpus is not null && present?.Limits.Cpu.Cpus is null) || (limits.Memory.Most is not null && present?.Limits.Memory.Most is null));
        if (!isHeldNow && !(isChanged && one.Spec.Resources != ResourceControls.None))
            return;
        if (limits.Memory.Most is not null && present?.Limits.Memory.Most is null && groups?.WhyMemoryGrows is { } why)
            Report(one.Machine, why);
        if (limits.Memory.Promised > Bytes.Zero && (present?.Limits.Memory.Promised ?? Bytes.Zero) == Bytes.Zero && groups?.WhyMemoryIsTaken is { } cause)
            Report(one.Machine, cause);
        if (unwritten.Count > 0)
            Report(one.Machine, string.Join("; ", unwritten));
        if (one.Spec.Resources.Cpu.Limit is not null && facts.CpuClock.Value == 0)
            Report(one.Machine, "this host does not know the clock of its CPUs, which a limit is measured by");
    }

    private void Report(Machine machine, string why) => Report(state, machine, why);

    private static void Report(HostState state, Machine machine, string why) => state.Publish(new HostEventRaised(
        "vm.resources-not-enforced", machine.Id, $"Not all resource controls of virtual machine '{machine.Name}' are in force: {why}.", IsProblem: true));

    // Not whole: some of it the kernel refused.
    private sealed record InForce(GroupLimits Limits, bool IsWhole);
}

/// <summary>A machine, its run and what it is made of, at one moment.</summary>
internal sealed record RunningMachine(Machine Machine, MachineRun Run, MachineSpec Spec)
{
    /// <summary>At a wall it could not move: where it leaves its balloon stands still and a guest that waits for memory cannot be stopped, and where it
    /// arrives it may have more than its limit until it has given back there what it is to.</summary>
    public bool IsMoving => Machine.Current is { Power: PowerState.Off } or { Migration: not null } || Run.Balloon.IsAwaited;
}
