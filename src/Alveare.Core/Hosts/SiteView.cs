using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Hosts;

/// <summary>Keeps the inventory in line with the words of all hosts, whichever session brings them.</summary>
internal sealed class SiteView(InventoryWriter inventory, EventLog events, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, int> _expected = [];
    private readonly Dictionary<EntityId, string> _conflicts = [];

    public MachineClaims Claims { get; } = new();

    public InventorySnapshot Current => inventory.Current;

    /// <summary>A task makes this machine and will put it into the inventory itself: a host that reports it has not found it.</summary>
    public IDisposable Expect(EntityId machine)
    {
        lock (_gate)
            _expected[machine] = _expected.GetValueOrDefault(machine) + 1;
        return new Expectation(this, machine);
    }

    /// <summary>Applies a change of a host's own record together with what follows for machines.</summary>
    public async Task ReconcileAsync(EntityId host, Func<Host, Host>? change, IEnumerable<EntityId> machines)
    {
        var ids = machines as IReadOnlyCollection<EntityId> ?? [.. machines];
        Reconciliation? done = null;
        await inventory.ApplyAsync(now =>
        {
            done = new Reconciliation(now, Claims, Expected());
            foreach (var id in ids)
                done.Machine(id);
            if (change is not null)
                done.Host(host, change);
            return done.ToEdit();
        });
        foreach (var finding in done!.Findings)
            events.Add(finding.Severity, finding.Kind, finding.Message, finding.Subject);
        foreach (var id in ids)
            ReportConflict(id);
    }

    /// <summary>As <see cref="ReconcileAsync"/>, for a change that must not be lost although edits before it may fail and take it down.</summary>
    public async Task ReconcileSurelyAsync(EntityId host, Func<Host, Host> change, IEnumerable<EntityId> machines)
    {
        const int tries = 5;
        var ids = machines.ToList();
        for (var left = tries; ; left--)
        {
            try
            {
                await ReconcileAsync(host, change, ids);
                return;
            }
            catch (FaultException e) when (left > 1)
            {
                logger.LogWarning(e, "Noting the state of host {Host} is tried again.", host);
            }
        }
    }

    private HashSet<EntityId> Expected()
    {
        lock (_gate)
            return [.. _expected.Keys];
    }

    private void ReportConflict(EntityId id)
    {
        var said = Claims.Of(id);
        var conflict = MachinePlace.RunsTwice(said) ? "vm.runs-twice" : "";
        lock (_gate)
        {
            if (_conflicts.GetValueOrDefault(id, "") == conflict)
                return;
            if (conflict.Length == 0)
                _conflicts.Remove(id);
            else
                _conflicts[id] = conflict;
        }

        if (conflict.Length == 0 || Current.Find(id) is not { } vm)
            return;
        var hosts = string.Join(" and ", said.Where(c => c.Runs).Select(c => $"'{Current.Find(c.Host)?.Name}' (lock epoch {c.Machine.LockEpoch})"));
        events.Add(EventSeverity.Error, conflict, $"Virtual machine '{vm.Name}' runs on {hosts} at once, as these hosts say. Look at them before anything else.", id);
    }

    private void Unexpect(EntityId machine)
    {
        lock (_gate)
        {
            if (--_expected[machine] > 0)
                return;
            _expected.Remove(machine);
        }

        _ = ReconcileAfterAsync(machine);
    }

    // What the task has left somewhere without putting it into the inventory has been found after all.
    private async Task ReconcileAfterAsync(EntityId machine)
    {
        try
        {
            await ReconcileAsync(machine, null, [machine]);
        }
        catch (FaultException e)
        {
            logger.LogWarning(e, "Machine {Machine} is looked for again when its host reports it.", machine);
        }
    }

    private sealed class Expectation(SiteView view, EntityId machine) : IDisposable
    {
        private bool _isOver;

        public void Dispose()
        {
            if (_isOver)
                return;
            _isOver = true;
            view.Unexpect(machine);
        }
    }
}
