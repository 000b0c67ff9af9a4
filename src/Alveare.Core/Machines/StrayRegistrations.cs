using Alveare.Core.Events;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Machines;

/// <summary>Sees to it that a machine is registered on its own host alone: a host that was away while a machine was brought elsewhere, or
/// was destroyed, comes back with a registration that is not true any more.</summary>
/// <remarks>Nothing runs where a registration is taken away, and the files stay: whatever was mistaken about, registering brings it back.</remarks>
internal sealed class StrayRegistrations(MachineGround ground, EventLog events, ILogger logger)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromMinutes(1);

    // The last task for each machine that was seen astray since, and when it began.
    private readonly Dictionary<EntityId, (string Id, long BeganAt)> _tasks = [];

    /// <summary>Looks after it until the engine ends.</summary>
    public async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                await ground.Hosts.StraySeenAsync(end);
                foreach (var machine in ground.Hosts.SeenAstray)
                    await LookAtAsync(machine);
                await Task.Delay(LookAgain, ground.Clock, end);
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                logger.LogError(e, "Looking after registrations broke.");
            }
        }
    }

    private async Task LookAtAsync(EntityId machine)
    {
        var vm = ground.Now.Find(machine) as VirtualMachine;
        var strays = ground.Hosts.StraysOf(machine);
        if (strays.Count == 0)
        {
            _tasks.Remove(machine);
            ground.Hosts.LookedAt(machine);
        }
        else if (vm?.Host is null)
        {
            foreach (var host in strays)
                await ground.TryForgetAsync(machine, host);
        }
        else if (vm.BusyTask is null && !HasJustFailed(machine))
        {
            await TakeAwayAsync(vm, strays);
        }
    }

    private bool HasJustFailed(EntityId machine) =>
        _tasks.TryGetValue(machine, out var task)
        && ground.Clock.GetElapsedTime(task.BeganAt) < AfterFailure
        && ground.Tasks.List().Any(t => t.Id == task.Id && t.State == TaskState.Failed);

    private async Task TakeAwayAsync(VirtualMachine vm, IReadOnlyList<EntityId> strays)
    {
        TaskRecord task;
        try
        {
            task = await ground.Tasks.SubmitAsync(Session.System, new UnregisterElsewhere { Target = vm.Id });
            _tasks[vm.Id] = (task.Id, ground.Clock.GetTimestamp());
        }
        catch (FaultException e)
        {
            logger.LogInformation("The registrations of {Machine} are looked at again: {Reason}", vm.Name, e.Fault.Message);
            return;
        }

        var others = string.Join(" and ", strays.Select(h => $"'{ground.NameOf(h)}'"));
        events.Add(
            EventSeverity.Warning,
            "vm.registered-twice",
            $"Virtual machine '{vm.Name}' is registered on host '{ground.NameOf(vm.Host!.Value)}', its place, and off but registered on {others} too. {task.Id} takes that away.",
            vm.Id);
    }
}
