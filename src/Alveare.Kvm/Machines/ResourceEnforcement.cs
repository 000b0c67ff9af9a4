using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Machines;

/// <summary>Holds running machines to what they and their resource pools are promised and held to, by their control groups, and their network cards by queues.</summary>
/// <remarks>The kernel divides CPU by weight among those who want it, and stops at a quota. So weights are what each machine would get if it wanted all
/// that its promise and shares give it while the others want what they do (<see cref="PoolDivision.Weigh"/>), and the quotas of machines in a
/// pool with a limit are what the pool's limit gives each of them.</remarks>
/// <param name="groups">Null where the machine has no control groups to offer.</param>
/// <param name="whyNoWeights">Why the disk below a file is not shared by weight, or null when it is.</param>
/// <param name="clock">Of one of this host's CPUs.</param>
/// <param name="capacity">Of all of them.</param>
/// <param name="pools">This host's part of them, as it was told last.</param>
public sealed class ResourceEnforcement(
    HostState state, MachineTable machines, IControlGroups? groups, TapShaping taps, Func<DatastorePath, string?> whyNoWeights, Megahertz clock,
    Megahertz capacity, Func<ImmutableArray<HostPool>> pools)
{
    // Who uses so much of its quota may want any amount.
    private const double NearQuota = 0.85;

    private readonly Lock gate = new();

    // What each run is held to already: most are not touched by another's coming.
    private readonly ConditionalWeakTable<MachineRun, GroupLimits> inForce = [];
    private IReadOnlyDictionary<MachineRun, double> demands = new Dictionary<MachineRun, double>();
    private long wholeInForce;

    /// <summary>Divides anew after a machine has come or changed. What cannot be applied is an event about that one, if it was asked for.</summary>
    public void Apply(Machine changed) => Divide(changed);

    /// <summary>Divides anew by what machines want now, in CPUs; one that is not among them is taken to want everything.</summary>
    /// <param name="wanted">Null for what they wanted last.</param>
    public void Divide(IReadOnlyDictionary<MachineRun, double>? wanted = null)
    {
        lock (gate)
            demands = wanted ?? demands;
        Divide(changed: null);
    }

    private void Divide(Machine? changed)
    {
        // Where the host does not know what its CPUs are worth, megahertz mean nothing, and shares alone count.
        var isKnown = clock.Value > 0 && capacity.Value > 0;
        // One at a time: an older division must not come last.
        lock (gate)
        {
            var running = machines.All.Where(m => m is { Run: not null, Current.Spec: not null }).Select(m => new Running(m, m.Run!, m.Current.Spec!)).ToList();
            // All machines together weigh as much against the rest of the host as they would one by one.
            var whole = running.Sum(r => (double)SharesOf(r.Spec));
            var divided = isKnown ? capacity.Value : whole;
            var tree = PoolTree.Of(running.ToDictionary(r => r.Machine.Id, r => isKnown ? ClaimOf(r) : new Claim(0, SharesOf(r.Spec))), isKnown ? pools() : []);
            var (weights, parts) = (PoolDivision.Weigh(divided, tree), PoolDivision.DivideAll(divided, tree));
            var held = PoolTree.HeldByPools(tree).ToHashSet();
            var sharesOfWeight = weights.Count == 0 ? 0 : whole / Math.Max(1, running.Sum(r => weights[r.Machine.Id]));
            foreach (var one in running)
            {
                var limits = GroupLimits.Of(one.Spec, weights[one.Machine.Id] * sharesOfWeight, held.Contains(one.Machine.Id) ? parts[one.Machine.Id] : null, clock);
                Apply(one, limits, isChanged: one.Machine == changed);
            }

            // Their common group is gone when none runs, and made anew for the first that comes.
            if (changed is not null || (long)whole != wholeInForce)
                groups?.Weigh((long)whole);
            wholeInForce = (long)whole;
            if (changed is null)
                return;
            Shape(changed);
            WeighDisks(changed, running.Sum(r => DiskShares(r.Spec)));
        }
    }

    private Claim ClaimOf(Running one)
    {
        var claim = PoolTree.ClaimOf(one.Spec.Resources.Cpu, ShareScale.NormalCpu * one.Spec.Cpus);
        var isKnown = demands.TryGetValue(one.Run, out var cpus) && !(inForce.TryGetValue(one.Run, out var present) && cpus >= present.Cpus * NearQuota);
        return isKnown ? claim with { Demand = cpus * clock.Value } : claim;
    }

    private void WeighDisks(Machine machine, long all)
    {
        if (machine is not { Run: { } run, Current: { Spec: { } spec, Config: var config } })
            return;
        var isWeighed = groups?.WeighDisks(run.Record.Attachments.ControlGroups, DiskShares(spec), all) ?? false;
        if (spec.Disks.All(d => d.Control.Shares is null))
            return;
        if (!isWeighed)
            Report(machine, "this host's control groups have no weights of disks (io.weight, io.bfq.weight or blkio.bfq.weight)");
        else if (whyNoWeights(config) is { } why)
            Report(machine, $"shares of disks do nothing, because {why}");
    }

    private static long DiskShares(MachineSpec spec) => ShareScale.DiskShares(spec.Disks.Select(d => d.Control));

    private void Shape(Machine machine)
    {
        if (machine is not { Run: { } run, Current.Spec: { Nics.IsEmpty: false } spec })
            return;
        var isLimited = spec.Nics.Any(n => n.Control != NicControl.None);
        // A machine that starts is waited for: where there is nothing to limit and nothing to lift, the kernel is not asked.
        if (!isLimited && !run.MayBeShaped)
            return;
        run.MayBeShaped = true;
        if (taps.Apply(spec, run.Record.Attachments.Taps) is { } why)
        {
            if (isLimited)
                Report(machine, why);
        }
        else
        {
            run.MayBeShaped = isLimited;
        }
    }

    private void Apply(Running one, GroupLimits limits, bool isChanged)
    {
        inForce.TryGetValue(one.Run, out var present);
        if (present is not null && (isChanged ? limits == present : limits.IsNear(present)))
            return;
        var missing = groups?.Apply(one.Run.Record.Attachments.ControlGroups, limits, present) ?? ["any control group"];
        // Also what this kernel lacks: it will not have it the next time either.
        inForce.AddOrUpdate(one.Run, limits);
        if (!isChanged || one.Spec.Resources == ResourceControls.None)
            return;
        if (missing.Count > 0)
            Report(one.Machine, $"this host lacks {string.Join(", ", missing)}");
        if (one.Spec.Resources.Cpu.Limit is not null && clock.Value == 0)
            Report(one.Machine, "this host does not know the clock of its CPUs, which a limit is measured by");
    }

    private static int SharesOf(MachineSpec spec) => ShareScale.CpuShares(spec.Resources.Cpu, spec.Cpus);

    private void Report(Machine machine, string why) => state.Publish(new HostEventRaised(
        "vm.resources-not-enforced", machine.Id, $"Not all resource controls of virtual machine '{machine.Name}' are in force: {why}.", IsProblem: true));

    private sealed record Running(Machine Machine, MachineRun Run, MachineSpec Spec);
}
