using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Planning.Migration;
using Alveare.Planning.Rules;

namespace Alveare.Core.Maintenance;

/// <summary>Empties a host that takes no machine any more: its machines leave by ordinary migrations, each to the host that was planned for it, and if
/// that takes it no more, to the one that placement chooses by room and rules. Machines of other hosts make room first where the plan says so.</summary>
internal sealed class HostEvacuation(MachineGround ground, MaintenancePlanner planner, EventLog events)
{
    private const int Rounds = 3;

    /// <summary>Says the plan, and moves machines away until none is left that can leave. A <see cref="HostNotEmptied"/> fault names those that run on, each with the
    /// reason; one that is off and whose files no other host sees stays and harms nobody.</summary>
    /// <param name="why">What becomes of the host, such as <c>goes into maintenance</c>.</param>
    /// <param name="keepsPreferences">Whether a plan by which a rule that only should hold is broken is a fault too.</param>
    public async Task EmptyAsync(EntityId host, string why, TaskContext context, bool keepsPreferences = false)
    {
        // Those that were promised room before the host took no machine any more still come, and are not seen here until then.
        context.Report(null, "waiting for machines that are on their way to it");
        await ground.Rooms.FreeAsync(host, context.Cancellation);
        var emptying = new Emptying(host, $"host '{ground.NameOf(host)}', which {why}", Left(host).Count, context);
        var plan = planner.Plan(host);
        if (keepsPreferences)
            RequireKept(host, plan);
        context.Report(0, plan.InWords());
        events.Add(EventSeverity.Info, "host.evacuation-plan", $"By the plan {plan.InWords()}.", host, context.Session.User);
        ImmutableArray<Outcome> outcomes = [];
        // Again for those whose target is full by now, and without those that could not make room.
        for (var round = 0; round < Rounds && Left(host).Count > 0 && !context.Cancellation.IsCancellationRequested; round++)
        {
            if (round > 0)
                plan = planner.Plan(host, emptying.Unable);
            outcomes = [.. await MoveAsync(emptying, plan, isFirst: round == 0)];
        }

        context.Cancellation.ThrowIfCancellationRequested();
        var here = Left(host).ToDictionary(v => v.Id, v => v.Name);
        ImmutableArray<string> named =
        [
            .. outcomes.Where(o => o.Why is not null).SelectMany(o => o.Unit.Where(here.ContainsKey).Select(vm => $"'{here[vm]}' stays: {o.Why}")),
        ];
        if (!named.IsEmpty)
            throw new FaultException(new HostNotEmptied(ground.NameOf(host), named));
    }

    private void RequireKept(EntityId host, MaintenancePlan plan)
    {
        var now = ground.Now;
        if (now.ClusterOf(host) is not { } cluster)
            return;
        ImmutableArray<EntityId> hosts = [.. now.Children<Host>(cluster.Id).Select(h => h.Id)];
        var to = plan.Moves.GroupBy(m => m.Vm).ToDictionary(g => g.Key, g => g.Last().To);
        var before = ClusterRules.Broken(cluster, hosts, now.PlaceOf).Select(b => b.Name).ToHashSet(StringComparer.Ordinal);
        ImmutableArray<string> broken =
        [
            .. ClusterRules.Broken(cluster, hosts, vm => to.TryGetValue(vm, out var there) ? there : now.PlaceOf(vm))
                .Where(b => !before.Contains(b.Name))
                .Select(b => $"{b.Text}, and would not any more"),
        ];
        if (!broken.IsEmpty)
            throw new FaultException(new HostNotEmptied(ground.NameOf(host), broken));
    }

    private List<VirtualMachine> Left(EntityId host) => [.. ground.Now.MachinesOn(host)];

    /// <summary>Makes the moves of a plan, each once those before which it cannot be made have ended, and tries what is not in it.</summary>
    private async Task<IEnumerable<Outcome>> MoveAsync(Emptying emptying, MaintenancePlan plan, bool isFirst)
    {
        var moving = new List<Task<Outcome>>();
        for (var number = 0; number < plan.Moves.Length; number++)
        {
            var before = MaintenancePlan.Before(plan.Moves, number).Select(n => (plan.Moves[n], moving[n])).ToList();
            // Those that go along are the business of the one that leads them.
            moving.Add(plan.Moves[number].With is null ? MoveAsync(emptying, plan, number, before, isFirst) : moving[^1]);
        }

        var moved = await Task.WhenAll(moving);
        foreach (var (move, outcome) in plan.Moves.Zip(moved).Where(m => m is { First: { For: not null, With: null }, Second: { Why: not null, HasTried: true } }))
        {
            emptying.Unable.Add(move.Vm);
            events.Add(
                EventSeverity.Warning, "host.no-room-made", $"'{move.Name}' could not make room for '{move.ForName}': {outcome.Why}.", move.Vm, emptying.Context.Session.User);
        }

        // Last: they must not take the room that is made for others.
        var planned = plan.Moves.Select(m => m.Vm).ToHashSet();
        var tried = await Task.WhenAll(planner.UnitsOn(emptying.Host).Where(unit => !planned.Contains(unit[0].Id)).Select(async unit =>
            new Outcome([.. unit.Select(vm => vm.Id)], await LeaveAsync(emptying, unit[0].Id, null), HasTried: true)));
        return moved.Distinct().Concat(tried);
    }

    private async Task<Outcome> MoveAsync(
        Emptying emptying, MaintenancePlan plan, int number, List<(MaintenanceMove Move, Task<Outcome> Task)> before, bool isFirst)
    {
        var move = plan.Moves[number];
        ImmutableArray<EntityId> unit = [.. plan.Moves.Skip(number + 1).TakeWhile(m => m.With is not null).Prepend(move).Select(m => m.Vm)];
        await Task.WhenAll(before.Select(b => b.Task));
        foreach (var (earlier, task) in before)
        {
            if (earlier.For == (move.For ?? move.Vm) && (await task).Why is { } stays)
                return new(unit, $"'{earlier.Name}' was to make room for it, and stays: {stays}", HasTried: false);
        }

        var why = move.For is null
            ? await LeaveAsync(emptying, move.Vm, isFirst || before.Exists(b => b.Move.For == move.Vm) ? move.To : null)
            : await MigrateAsync(emptying, move.Vm, move.From, move.To, $"so that '{move.ForName}' can leave {emptying.Words}");
        return new(unit, why, HasTried: true);
    }

    /// <summary>Moves one machine with its group off the host; answers why it stays, or null.</summary>
    private async Task<string?> LeaveAsync(Emptying emptying, EntityId vm, EntityId? target)
    {
        var stays = await MigrateAsync(emptying, vm, emptying.Host, target, $"it leaves {emptying.Words}");
        emptying.Report(Left(emptying.Host).Count);
        return ground.Now.Find(vm) is VirtualMachine { MayRun: true } ? stays : null;
    }

    /// <summary>Moves one machine with its group, if it is still where it was; answers why it stays, or null.</summary>
    private async Task<string?> MigrateAsync(Emptying emptying, EntityId vm, EntityId from, EntityId? target, string why)
    {
        await IdleAsync(vm, emptying.Context);
        using var slot = await emptying.Slots.TakeAsync([emptying.Host], CancellationToken.None);
        return emptying.Context.Cancellation.IsCancellationRequested || ground.Now.Find(vm) is not VirtualMachine there || there.Host != from
            ? null
            : await ground.Tasks.WhyNotAsync(new MigrateVm { Target = vm, Host = target, WithGroup = true }, why, emptying.Context);
    }

    /// <summary>Waits for what somebody else does with a machine: one that has just come is still its task's.</summary>
    private async Task IdleAsync(EntityId vm, TaskContext context)
    {
        try
        {
            while (ground.Now.Find(vm) is VirtualMachine { BusyTask: { } task })
                await ground.Tasks.WaitAsync(task, context.Cancellation);
        }
        catch (OperationCanceledException) when (context.Cancellation.IsCancellationRequested)
        {
            // Nothing more is begun.
        }
    }

    /// <param name="Why">Why it stays; null when it has moved.</param>
    /// <param name="HasTried">False for one that was not begun, because another had not made room for it.</param>
    private sealed record Outcome(ImmutableArray<EntityId> Unit, string? Why, bool HasTried);

    /// <summary>A host that is being emptied.</summary>
    /// <param name="Words">The host and what becomes of it.</param>
    /// <param name="Total">How many machines it had.</param>
    private sealed record Emptying(EntityId Host, string Words, int Total, TaskContext Context)
    {
        public SlotBudget Slots { get; } = new(MaintenancePlanner.AtOnce);

        /// <summary>Machines that were to make room and could not.</summary>
        public HashSet<EntityId> Unable { get; } = [];

        public void Report(int left) => Context.Report(
            Total == 0 ? null : 100.0 * Math.Max(0, Total - left) / Total, string.Create(CultureInfo.InvariantCulture, $"{Total - left} of {Total} machines have left"));
    }
}
