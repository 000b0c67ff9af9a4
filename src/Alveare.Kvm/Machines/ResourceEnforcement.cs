using System.Runtime.CompilerServices;
using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Machines;

/// <summary>Holds running machines to what they are promised and held to, by their control groups, and their network cards by queues.</summary>
/// <remarks>The kernel divides CPU by weight among those who want it. So that a promise holds however many want it, weights are what each machine
/// would get if all wanted everything (<see cref="FairDivision"/>): its shares, or more where they would not give what it is promised.</remarks>
/// <param name="groups">Null where the machine has no control groups to offer.</param>
/// <param name="clock">Of one of this host's CPUs.</param>
/// <param name="capacity">Of all of them.</param>
public sealed class ResourceEnforcement(HostState state, MachineTable machines, IControlGroups? groups, TapShaping taps, Megahertz clock, Megahertz capacity)
{
    private readonly Lock gate = new();

    // What each run is held to already: most are not touched by another's coming.
    private readonly ConditionalWeakTable<MachineRun, GroupLimits> inForce = [];

    /// <summary>Applies the controls of all running machines, after one of them has come or changed. What cannot be applied is an event about that one,
    /// if it was asked for.</summary>
    public void Apply(Machine changed)
    {
        // One at a time: an older division must not come last.
        lock (gate)
        {
            var running = machines.All.Select(m => (Machine: m, m.Run, m.Current.Spec)).Where(m => m is { Run: not null, Spec: not null }).ToList();
            var shares = running.Select(m => (double)ShareScale.CpuShares(m.Spec!.Resources.Cpu, m.Spec.Cpus)).ToList();
            // All shares together stand for the whole host: without promises everybody weighs what he was given.
            var whole = shares.Sum();
            var sharesOfMegahertz = whole / Math.Max(1, capacity.Value);
            var parts = FairDivision.Divide(whole, [.. running.Select((m, i) => new Claim(m.Spec!.Resources.Cpu.Reservation.Value * sharesOfMegahertz, shares[i]))]);
            for (var i = 0; i < running.Count; i++)
                Apply(running[i].Machine, running[i].Run!, running[i].Spec!, parts[i], isChanged: running[i].Machine == changed);
            groups?.Weigh((long)whole);
            Shape(changed);
        }
    }

    private void Shape(Machine machine)
    {
        if (machine is { Run: { } run, Current.Spec: { Nics.IsEmpty: false } spec }
            && taps.Apply(spec, run.Record.Attachments.Taps) is { } why && spec.Nics.Any(n => n.Control != NicControl.None))
        {
            Report(machine, why);
        }
    }

    private void Apply(Machine machine, MachineRun run, MachineSpec spec, double shares, bool isChanged)
    {
        var limits = GroupLimits.Of(spec, shares, clock);
        if (inForce.TryGetValue(run, out var present) && present == limits)
            return;
        var missing = groups?.Apply(run.Record.Attachments.ControlGroups, limits) ?? ["any control group"];
        if (missing.Count == 0)
            inForce.AddOrUpdate(run, limits);
        if (!isChanged || spec.Resources == ResourceControls.None)
            return;
        if (missing.Count > 0)
            Report(machine, $"this host lacks {string.Join(", ", missing)}");
        if (spec.Resources.Cpu.Limit is not null && clock.Value == 0)
            Report(machine, "this host does not know the clock of its CPUs, which a limit is measured by");
    }

    private void Report(Machine machine, string why) => state.Publish(new HostEventRaised(
        "vm.resources-not-enforced", machine.Id, $"Not all resource controls of virtual machine '{machine.Name}' are in force: {why}.", IsProblem: true));
}
