using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Maintenance;

/// <summary>Empties a host that takes no machine any more: its machines leave by ordinary migrations, each to the host that was planned for it, and if
/// that takes it no more, to the one that placement chooses by room and rules.</summary>
internal sealed class HostEvacuation(MachineGround ground, MaintenancePlanner planner, EventLog events)
{
    /// <summary>Says the plan, and moves machines away until none is left that can leave. A <see cref="HostNotEmptied"/> fault names those that run on, each with the
    /// reason; one that is off and whose files no other host sees stays and harms nobody.</summary>
    /// <param name="why">What becomes of the host, such as <c>goes into maintenance</c>.</param>
    public async Task EmptyAsync(EntityId host, string why, TaskContext context)
    {
        var total = Left(host).Count;
        var plan = planner.Plan(host);
        context.Report(0, plan.InWords());
        events.Add(EventSeverity.Info, "host.evacuation-plan", $"By the plan {plan.InWords()}.", host, context.Session.User);
        var planned = plan.Moves.ToDictionary(m => m.Vm, m => (EntityId?)m.To);
        (ImmutableArray<VirtualMachine> Unit, string? Why)[] staying = [];
        // Again for those that came by a migration which was under way, or that were busy, or whose target is full by now.
        for (var round = 0; round < 3 && planner.UnitsOn(host) is { Count: > 0 } left && !context.Cancellation.IsCancellationRequested; round++)
        {
            var (slots, isFirst) = (new SlotBudget(MaintenancePlanner.AtOnce), round == 0);
            staying = await Task.WhenAll(left.Select(async unit =>
            {
                using var slot = await slots.TakeAsync([host], CancellationToken.None);
                var stays = context.Cancellation.IsCancellationRequested ? null : await LeaveAsync(unit[0], isFirst ? planned.GetValueOrDefault(unit[0].Id) : null, why, context);
                var gone = total - Left(host).Count;
                context.Report(100.0 * gone / total, string.Create(CultureInfo.InvariantCulture, $"{gone} of {total} machines have left"));
                return (unit, stays);
            }));
        }

        context.Cancellation.ThrowIfCancellationRequested();
        var here = Left(host).Select(v => v.Id).ToHashSet();
        ImmutableArray<string> named =
        [
            .. staying.Where(s => s.Why is not null).SelectMany(s => s.Unit.Where(v => here.Contains(v.Id)).Select(v => $"'{v.Name}' stays: {s.Why}")),
        ];
        if (!named.IsEmpty)
            throw new FaultException(new HostNotEmptied(ground.NameOf(host), named));
    }

    private List<VirtualMachine> Left(EntityId host) => [.. ground.Now.MachinesOn(host)];

    /// <summary>Moves one machine with its group; answers why it stays, or null.</summary>
    private async Task<string?> LeaveAsync(VirtualMachine vm, EntityId? target, string why, TaskContext context)
    {
        var stays = await ground.Tasks.WhyNotAsync(
            new MigrateVm { Target = vm.Id, Host = target, WithGroup = true }, $"host '{ground.NameOf(MachineGround.HostOf(vm))}' {why}", context);
        return IsOff(vm.Id) ? null : stays;
    }

    private bool IsOff(EntityId vm) => ground.Now.Find(vm) is not VirtualMachine { MayRun: true };
}
