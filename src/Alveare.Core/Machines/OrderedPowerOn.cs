using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Planning.Rules;

namespace Alveare.Core.Machines;

/// <summary>Powers many machines of a cluster on, step by step in the order of its rules. Each start is a task of its own.</summary>
internal sealed class OrderedPowerOn(MachineGround ground)
{
    private const int AtOnce = 16;

    private static readonly TimeSpan LongestGuestWait = TimeSpan.FromHours(1);

    public async Task StartAsync(PowerOnVms operation, TaskContext context)
    {
        var cluster = ground.Now.Get<Cluster>(operation.Target);
        if (operation.GuestWait < TimeSpan.Zero || operation.GuestWait > LongestGuestWait)
        {
            throw new FaultException(new InvalidArgument(
                $"Cluster '{cluster.Name}'", "the wait for guest agents", operation.GuestWait.ToString("c", CultureInfo.InvariantCulture), $"0 to {LongestGuestWait.TotalMinutes:0} minutes"));
        }

        var steps = StartOrder.Steps(cluster, Chosen(cluster, operation.Vms));
        var failed = new List<string>();
        for (var step = 0; step < steps.Length; step++)
        {
            if (step > 0)
                await AwaitGuestsAsync(steps[step - 1], operation.GuestWait, context);
            failed.AddRange(await StepAsync(cluster.Id, steps, step, context));
        }

        context.Cancellation.ThrowIfCancellationRequested();
        if (failed.Count > 0)
            throw new FaultException(new MachinesNotStarted(cluster.Name, [.. failed]));
    }

    private ImmutableArray<EntityId> Chosen(Cluster cluster, ImmutableArray<EntityId> named)
    {
        var now = ground.Now;
        foreach (var vm in named.Select(now.Get<VirtualMachine>))
        {
            if (now.ClusterOf(vm.Host)?.Id != cluster.Id)
                throw new FaultException(new InvalidArgument($"Cluster '{cluster.Name}'", "a machine to power on", $"'{vm.Name}', which is on none of its hosts", "a machine of the cluster"));
        }

        var all = named.IsEmpty
            ? now.Children<Host>(cluster.Id).SelectMany(h => now.MachinesOn(h.Id)).Where(v => !v.IsTemplate && v.Spec is not null)
            : named.Distinct().Select(now.Get<VirtualMachine>);
        return [.. all.Where(v => v.Power == PowerState.Off).Select(v => v.Id)];
    }

    /// <summary>Starts the machines of a step, some at once; answers which were not started, each with the reason.</summary>
    private async Task<IEnumerable<string>> StepAsync(EntityId cluster, ImmutableArray<ImmutableArray<EntityId>> steps, int step, TaskContext context)
    {
        var (slots, before) = (new SlotBudget(AtOnce), steps.Take(step).Sum(s => s.Length));
        var done = 0;
        var outcomes = await Task.WhenAll(steps[step].Select(async vm =>
        {
            using var slot = await slots.TakeAsync([cluster], CancellationToken.None);
            var why = context.Cancellation.IsCancellationRequested ? "it was cancelled" : await ground.Tasks.WhyNotAsync(new PowerOn { Target = vm }, null, context);
            var ended = Interlocked.Increment(ref done);
            context.Report(
                100.0 * (before + ended) / steps.Sum(s => s.Length),
                string.Create(CultureInfo.InvariantCulture, $"step {step + 1} of {steps.Length}: {ended} of {steps[step].Length} machines are done"));
            return why is null ? null : $"'{ground.NameOf(vm)}': {why}";
        }));
        return outcomes.OfType<string>();
    }

    private async Task AwaitGuestsAsync(ImmutableArray<EntityId> vms, TimeSpan atMost, TaskContext context)
    {
        if (atMost == TimeSpan.Zero)
            return;
        context.Report(null, "waiting for guest agents to answer");
        // One that has gone off again, or was never on, has nothing to say; nobody knows beforehand which guests have an agent.
        await ground.UntilAsync(now => vms.All(id => now.Find(id) is not VirtualMachine { Power: PowerState.On, Guest: null }), atMost, context.Cancellation);
    }
}
