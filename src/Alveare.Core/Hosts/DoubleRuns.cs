using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;

namespace Alveare.Core.Hosts;

/// <summary>Says that a machine runs on two hosts at once when it really does, and not only in words of different times.</summary>
/// <remarks>A machine that moves may be heard of where it came to before it is heard that it left: then the other host's word is of before. But
/// nobody runs it any more once a newer epoch of its lock was taken; so a host that is asked after the newer epoch was heard of, and still
/// says that it runs it, does.</remarks>
/// <param name="ask">Asks a host for everything it knows; the claims have it when this ends.</param>
internal sealed class DoubleRuns(MachineClaims claims, InventoryWriter inventory, EventLog events, TimeProvider clock, Func<EntityId, Task> ask)
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(500);

    private readonly Lock _gate = new();

    // Of machines that seem to run twice: whether it was said.
    private readonly Dictionary<EntityId, bool> _seen = [];

    /// <summary>The claims on a machine have changed.</summary>
    public void LookAt(EntityId machine)
    {
        var isTwice = Runners(machine).Count > 1;
        lock (_gate)
        {
            var isSeen = _seen.TryGetValue(machine, out var wasSaid);
            if (!isTwice && wasSaid)
                _seen.Remove(machine);
            if (!isTwice || isSeen)
                return;
            _seen[machine] = false;
        }

        _ = ConfirmAsync(machine);
    }

    private async Task ConfirmAsync(EntityId machine)
    {
        await Task.Yield();
        MachineClaim? known = null;
        while (Runners(machine) is { Count: > 1 } runners)
        {
            var newest = runners.MaxBy(r => r.Machine.LockEpoch);
            if (newest == known)
            {
                lock (_gate)
                    _seen[machine] = true;
                Say(machine, runners);
                return;
            }

            known = await AskAsync(runners.Where(r => r != newest)) ? newest : null;
        }

        lock (_gate)
            _seen.Remove(machine);
        // It may seem so again since it was looked at last.
        LookAt(machine);
    }

    private IReadOnlyList<MachineClaim> Runners(EntityId machine) => MachinePlace.Runners(claims.Of(machine));

    /// <summary>Answers false when one of them did not answer; by then it can be asked again, or its word does not count any more.</summary>
    private async Task<bool> AskAsync(IEnumerable<MachineClaim> runners)
    {
        try
        {
            foreach (var runner in runners)
                await ask(runner.Host);
            return true;
        }
        catch (FaultException)
        {
            await Task.Delay(AskAgain, clock);
            return false;
        }
    }

    private void Say(EntityId machine, IReadOnlyList<MachineClaim> runners)
    {
        if (inventory.Current.Find(machine) is not { } vm)
            return;
        var hosts = string.Join(" and ", runners.Select(r => $"'{inventory.Current.Find(r.Host)?.Name}' (lock epoch {r.Machine.LockEpoch})"));
        events.Add(EventSeverity.Error, "vm.runs-twice", $"Virtual machine '{vm.Name}' runs on {hosts} at once, as these hosts say. Look at them before anything else.", machine);
    }
}
