using Alveare.Core.Events;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Migration;
using Alveare.Core.Placement;
using Alveare.Core.Power;
using Alveare.Core.Statistics;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Site;

/// <summary>Hosts joining the site and leaving it.</summary>
internal sealed class HostOperations(
    InventoryWriter inventory,
    HostSessions hosts,
    HostRooms rooms,
    IHostConnector connector,
    ControllerPasswords passwords,
    MigrationCosts costs,
    StatisticsHistory statistics,
    EventLog events,
    TimeProvider clock)
{
    /// <summary>How long a host that has just been claimed may take to report.</summary>
    public static readonly TimeSpan FirstContact = TimeSpan.FromSeconds(30);

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<JoinHost>(JoinAsync);
        tasks.Handle<DisconnectHost>(DisconnectAsync);
        tasks.Handle<ReconnectHost>(ReconnectAsync);
        tasks.Handle<RemoveHost>(RemoveAsync);
    }

    private async Task JoinAsync(JoinHost operation, TaskContext context)
    {
        var now = inventory.Current;
        var parent = operation.Cluster is { } cluster ? now.GetWithin<Cluster>(cluster, operation.Target).Id : operation.Target;
        // Before the host is claimed: a refusal must leave it as it is.
        if (operation.Name is { } wanted)
            now.CheckFree(parent, EntityKind.Host, wanted);
        if (now.OfType<Host>().FirstOrDefault(h => h.Address == operation.Address) is { } there)
            throw AlreadyJoined(there);

        context.Report(5, "Claiming the host");
        var joined = await connector.JoinAsync(
            new HostInvitation(operation.Address, operation.Fingerprint, operation.User, operation.Password, operation.Force), context.Cancellation);
        var host = await AddAsync(operation, parent, joined, context);

        context.Report(40, "Waiting for first contact");
        hosts.Start(host.Id);
        context.Undo.Push(() => hosts.StopAsync(host.Id));
        await FirstContactAsync(host.Id, context.Cancellation);
        now = inventory.Current;
        CpuBaselineOperations.Require(now, now.Get<Host>(host.Id), now.Get<Entity>(parent));
        context.Report(70, "Offering datastores and port groups");
        await hosts.OfferAsync(host.Id, context.Cancellation);
        context.SetResult(host.Id);
        events.Add(EventSeverity.Audit, "host.joined", $"Host '{host.Name}' at {host.Address} joined the site.", host.Id, context.Session.User);
    }

    private async Task<Host> AddAsync(JoinHost operation, EntityId parent, JoinedHost joined, TaskContext context)
    {
        var host = new Host
        {
            Id = joined.Id,
            Name = operation.Name ?? Names.Cleaned(joined.HostName),
            Parent = parent,
            Address = operation.Address,
            Fingerprint = joined.Fingerprint,
            Connection = HostConnection.Connecting,
        };
        // Not a host that is here already, or is just being joined by another task: it is claimed by this center and stays so.
        context.Undo.Push(() => inventory.Decide(now => now.Find(host.Id)) is null ? connector.ReleaseAsync(host, CancellationToken.None) : Task.CompletedTask);
        await inventory.ApplyAsync(now =>
        {
            if (now.Find(joined.Id) is Host known)
                throw AlreadyJoined(known);
            host = host with { Name = operation.Name ?? now.UniqueName(parent, EntityKind.Host, joined.HostName) };
            now.CheckFree(parent, EntityKind.Host, host.Name);
            return InventoryEdit.Of(host);
        });
        context.Undo.Push(() => TakeOutAsync(host.Id));
        return host;
    }

    private async Task DisconnectAsync(DisconnectHost operation, TaskContext context)
    {
        if (inventory.Current.Get<Host>(operation.Target) is { Connection: HostConnection.Disconnected } host)
            throw new FaultException(new InvalidState(host.Name, "disconnected already", "connected"));
        await DetachAsync(operation.Target);
        events.Add(EventSeverity.Audit, "host.disconnected", $"Host '{NameOf(operation.Target)}' was disconnected; its machines run on.", operation.Target, context.Session.User);
    }

    private async Task ReconnectAsync(ReconnectHost operation, TaskContext context)
    {
        if (inventory.Current.Get<Host>(operation.Target) is { Connection: not HostConnection.Disconnected } host)
            throw new FaultException(new InvalidState(host.Name, host.Connection.ToString(), "disconnected; the others are reconnected by themselves"));
        await SetConnectionAsync(operation.Target, HostConnection.Connecting);
        hosts.Start(operation.Target);
        context.Report(40, "Waiting for first contact");
        await FirstContactAsync(operation.Target, context.Cancellation);
    }

    private async Task RemoveAsync(RemoveHost operation, TaskContext context)
    {
        var host = inventory.Current.Get<Host>(operation.Target);
        context.Report(20, "Ending the session");
        await DetachAsync(host.Id);
        await TakeOutAsync(host.Id);
        await passwords.SetAsync(host.Id, null);
        await costs.ForgetAsync(host.Id);
        context.Report(60, "Releasing the host");
        await connector.ReleaseAsync(host, context.Cancellation);
        events.Add(EventSeverity.Audit, "host.removed", $"Host '{host.Name}' was removed from the site; its machines run on.", user: context.Session.User);
    }

    private async Task TakeOutAsync(EntityId host)
    {
        List<EntityId> machines = [];
        await inventory.ApplyAsync(now =>
        {
            machines = [.. now.MachinesOn(host).Select(v => v.Id)];
            return InventoryEdit.Remove([host, .. machines]);
        });
        foreach (var gone in machines.Append(host))
            statistics.Forget(gone);
        await hosts.ReconcileAsync(machines);
    }

    private async Task FirstContactAsync(EntityId host, CancellationToken cancellation)
    {
        try
        {
            await hosts.ConnectedAsync(host, cancellation).WaitAsync(FirstContact, clock, cancellation);
        }
        catch (TimeoutException e)
        {
            var known = inventory.Current.Get<Host>(host);
            throw new FaultException(
                new HostNotConnected(known.Name, known.Problem?.TrimEnd('.') ?? $"it has not reported within {FirstContact.TotalSeconds:0} s"), e);
        }
    }

    /// <summary>Ends the session of a host on which nothing is under way, nor on its way to it.</summary>
    private async Task DetachAsync(EntityId host)
    {
        // Looked at in the order of the edits: of a machine that is sent there at this moment, either it is seen here or this is seen there.
        await SetConnectionAsync(host, HostConnection.Disconnected, CheckIdle);
        await hosts.StopAsync(host);
    }

    private void CheckIdle(InventorySnapshot now, Host host)
    {
        if (now.MachinesOn(host.Id).FirstOrDefault(v => v.BusyTask is not null) is { } busy)
            throw new FaultException(new ObjectInUse(host.Name, $"{busy.BusyTask} on its virtual machine '{busy.Name}'"));
        if (rooms.ComingTo(host.Id, now) is { } coming)
            throw new FaultException(new ObjectInUse(host.Name, $"'{coming}', which is on its way to it"));
    }

    private Task SetConnectionAsync(EntityId id, HostConnection connection, Action<InventorySnapshot, Host>? check = null) => inventory.ApplyAsync(now =>
    {
        var host = now.Get<Host>(id);
        check?.Invoke(now, host);
        return InventoryEdit.Of(host with { Connection = connection, Problem = null });
    });

    private string NameOf(EntityId host) => inventory.Current.Find(host)?.Name ?? host.ToString();

    private static FaultException AlreadyJoined(Host host) =>
        new(new InvalidState(host.Name, $"joined already, at {host.Address}", "a host that is not part of the site"));
}
