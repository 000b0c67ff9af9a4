using System.Collections.Immutable;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Hosts;

/// <summary>Keeps the inventory in line with the words of all hosts, whichever session brings them.</summary>
internal sealed class SiteView(InventoryWriter inventory, MachineClaims claims, DestroyedMachines destroyed, DoubleRuns doubles, EventLog events, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, int> _expected = [];
    private readonly SortedSet<EntityId> _astray = [];
    private TaskIntents _intents = TaskIntents.None;
    private TaskCompletionSource _straySeen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public MachineClaims Claims => claims;

    public InventorySnapshot Current => inventory.Current;

    /// <summary>A task makes this machine and will put it into the inventory itself, or destroys it and will take it out: until the answer is disposed, a
    /// host that reports it has not found it, and one that does not has not lost it.</summary>
    public IDisposable Expect(EntityId machine)
    {
        lock (_gate)
            _expected[machine] = _expected.GetValueOrDefault(machine) + 1;
        return new Expectation(this, machine);
    }

    /// <summary>Machines that more hosts have registered than should, as far as was seen.</summary>
    public IReadOnlyList<EntityId> Astray
    {
        get
        {
            lock (_gate)
                return [.. _astray];
        }
    }

    /// <summary>A task registers these files: the host that reports the machine has not found it. Once more with false when that is over.</summary>
    public void Registering(DatastorePath config, bool isSo = true)
    {
        lock (_gate)
            _intents = _intents with { Registered = isSo ? _intents.Registered.Add(config) : _intents.Registered.Remove(config) };
    }

    /// <summary>These files of a machine are registered, and wanted even when they were destroyed once.</summary>
    public async Task WelcomeAsync(EntityId machine, DatastorePath config)
    {
        var wanted = new DestroyedMachine(machine, config);
        if (!destroyed.All.Contains(wanted))
            return;
        await destroyed.RemoveAsync(wanted);
        await ReconcileAsync([machine]);
    }

    /// <summary>Connected hosts on which a machine is registered and off although that is not its place, or although these files of it were destroyed.</summary>
    public IReadOnlyList<EntityId> StraysOf(EntityId machine)
    {
        var (said, known, intents) = (claims.Of(machine), Current.Find(machine) as VirtualMachine, Intents);
        var leftovers = said.Where(c => c.IsOff && intents.IsLeftover(c, known) && !intents.Registered.Contains(c.Machine.Config)).Select(c => c.Host);
        return [.. known is null ? [] : MachinePlace.Strays(said, known), .. leftovers];
    }

    /// <summary>Ends when <see cref="Astray"/> is not empty.</summary>
    public Task StraySeenAsync(CancellationToken cancellation)
    {
        lock (_gate)
            return _astray.Count > 0 ? Task.CompletedTask : _straySeen.Task.OrCancelledAsync(cancellation);
    }

    public void LookedAt(EntityId machine)
    {
        lock (_gate)
        {
            if (_astray.Remove(machine) && _astray.Count == 0)
                _straySeen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Brings the inventory in line with what hosts say of these machines.</summary>
    public Task ReconcileAsync(IEnumerable<EntityId> machines) => ReconcileAsync(default, null, machines);

    /// <summary>Applies a change of a host's own record together with what follows for machines.</summary>
    public async Task ReconcileAsync(EntityId host, Func<Host, Host>? change, IEnumerable<EntityId> machines)
    {
        var ids = machines as IReadOnlyCollection<EntityId> ?? [.. machines];
        Reconciliation? done = null;
        await inventory.ApplyAsync(now =>
        {
            done = new Reconciliation(now, claims, Intents);
            foreach (var id in ids)
                done.Machine(id);
            if (change is not null)
                done.Host(host, change);
            return done.ToEdit();
        });
        foreach (var finding in done!.Findings)
            events.Add(finding.Severity, finding.Kind, finding.Message, finding.Subject);
        foreach (var id in ids)
        {
            doubles.LookAt(id);
            LookForStrays(id);
        }
    }

    /// <summary>As <see cref="ReconcileAsync(EntityId, Func{Host, Host}?, IEnumerable{EntityId})"/>, for a change that must not be lost although edits before it may fail and take it down.</summary>
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

    private TaskIntents Intents
    {
        get
        {
            lock (_gate)
                return _intents with { Settled = [.. _expected.Keys], Destroyed = destroyed.All };
        }
    }

    private void LookForStrays(EntityId id)
    {
        if (StraysOf(id).Count == 0)
            return;
        lock (_gate)
        {
            _astray.Add(id);
            _straySeen.TrySetResult();
        }
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
            await ReconcileAsync([machine]);
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
