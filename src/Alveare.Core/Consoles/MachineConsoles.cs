using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Security;

namespace Alveare.Core.Consoles;

/// <summary>Opens the consoles of machines for those who may, and finds out why one ended.</summary>
public sealed class MachineConsoles(
    InventoryWriter inventory, TaskEngine tasks, HostSessions hosts, EventLog events, Feed feed, TimeProvider clock, IdSource ids)
{
    /// <summary>The most consoles of one machine that are open at once: each holds buffers here and on the host.</summary>
    public const int MostPerMachine = 16;

    private readonly ConsoleTickets _tickets = new(clock, ids);
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, int> _open = [];

    /// <summary>How long the news of what happened to a machine may take longer than the end of its process, and so of its consoles.</summary>
    public TimeSpan NewsDelay { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>A ticket for a console, which <see cref="Redeem"/> takes once and soon. Refused as <see cref="OpenAsync"/> would be for lack of
    /// a privilege, and for a machine that is off.</summary>
    public ConsoleTicket Issue(Session session, string token, HostChannel console)
    {
        var vm = Authorize(session, console);
        if (FindEnd(vm, vm.Host) is { Kind: ConsoleEndKind.Off })
            throw new FaultException(new InvalidPowerState(vm.Name, vm.Power, PowerStates.Running));
        return _tickets.Issue(token, console);
    }

    /// <summary>The token of the session that a ticket stands for, which is used up. Faults: <see cref="NotAuthenticated"/>.</summary>
    public string Redeem(string ticket, HostChannel console) => _tickets.Redeem(ticket, console);

    /// <summary>Opens a console; audited. Of a machine that has just left its host it is opened on the new one, as soon as that is known. Faults:
    /// <see cref="NoPermission"/>, <see cref="InvalidPowerState"/>, <see cref="InvalidState"/> (on no host, or it is not known on which after a
    /// move), <see cref="ObjectInUse"/> (too many are open), <see cref="HostNotConnected"/>.</summary>
    public async Task<OpenConsole> OpenAsync(Session session, HostChannel console, CancellationToken cancellation)
    {
        var vm = Authorize(session, console);
        Count(vm);
        try
        {
            var (stream, host) = await FindAndOpenAsync(vm, console, cancellation);
            events.Add(EventSeverity.Audit, "vm.console-opened", $"'{session.User}' opened the {WordOf(console.Kind)} console of '{vm.Name}'.", vm.Id, session.User);
            return new OpenConsole(stream, () => WhyEndedAsync(vm, host), () => Uncount(vm.Id));
        }
        catch
        {
            Uncount(vm.Id);
            throw;
        }
    }

    private async Task<(Stream Stream, EntityId Host)> FindAndOpenAsync(VirtualMachine vm, HostChannel console, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(NewsDelay, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, patience.Token);
        while (true)
        {
            var known = inventory.Current.Get<VirtualMachine>(vm.Id);
            try
            {
                var host = known.Host ?? throw new FaultException(new InvalidState(vm.Name, "on no host", "registered on one"));
                return (await hosts.OpenAsync(host, console, cancellation), host);
            }
            catch (FaultException e) when (e.Fault is not HostNotConnected && FindEnd(vm, known.Host) is { Kind: ConsoleEndKind.Moving })
            {
                // It has left that host, and the news of it, or of the one that it has come to, is on its way.
            }

            try
            {
                await HeardOfAsync(known, either.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new FaultException(new InvalidState(vm.Name, "moving to another host", "on a host that is known; open the console again in a moment"));
            }
        }
    }

    // Until the inventory has the machine on another host, or its task has ended.
    private async Task HeardOfAsync(VirtualMachine known, CancellationToken cancellation)
    {
        while (true)
        {
            var seen = feed.Last;
            if (inventory.Current.Find(known.Id) is not VirtualMachine now || now.Host != known.Host || now.BusyTask != known.BusyTask)
                return;
            await feed.WaitAsync(seen, cancellation);
        }
    }

    private static string WordOf(HostChannelKind kind) => kind == HostChannelKind.Vnc ? "VNC" : "serial";

    private VirtualMachine Authorize(Session session, HostChannel console)
    {
        var vm = inventory.Current.Get<VirtualMachine>(console.Machine);
        tasks.Authorize(session, Privilege.VmConsole, "vm.console", vm.Id, vm.Name);
        return vm;
    }

    private void Count(VirtualMachine vm)
    {
        lock (_gate)
        {
            var open = _open.GetValueOrDefault(vm.Id);
            if (open == MostPerMachine)
                throw new FaultException(new ObjectInUse(vm.Name, $"{open} open consoles, the most there can be"));
            _open[vm.Id] = open + 1;
        }
    }

    private void Uncount(EntityId vm)
    {
        lock (_gate)
        {
            if (--_open[vm] == 0)
                _open.Remove(vm);
        }
    }

    // A console ends before the host has said why: the news is waited for.
    private async Task<ConsoleEnd> WhyEndedAsync(VirtualMachine opened, EntityId host)
    {
        using var patience = new CancellationTokenSource(NewsDelay, clock);
        while (true)
        {
            var seen = feed.Last;
            if (FindEnd(opened, host) is { } end)
                return end;
            try
            {
                await feed.WaitAsync(seen, patience.Token);
            }
            catch (OperationCanceledException)
            {
                return new ConsoleEnd(ConsoleEndKind.Closed, $"The host closed the console of '{opened.Name}'.");
            }
        }
    }

    private ConsoleEnd? FindEnd(VirtualMachine opened, EntityId? host) => inventory.Current.Find(opened.Id) switch
    {
        not VirtualMachine => new(ConsoleEndKind.Gone, $"Virtual machine '{opened.Name}' is gone."),
        VirtualMachine { BusyTask: { } task } vm when IsMigration(task) => new(ConsoleEndKind.Moving, $"Virtual machine '{vm.Name}' moves to another host."),
        VirtualMachine vm when vm.Host != host => new(ConsoleEndKind.Moving, $"Virtual machine '{vm.Name}' has moved to another host."),
        VirtualMachine { IsStale: true } vm => new(ConsoleEndKind.HostLost, $"The host of '{vm.Name}' does not answer."),
        VirtualMachine { Power: PowerState.Off } vm => new(ConsoleEndKind.Off, $"Virtual machine '{vm.Name}' is off."),
        _ => null,
    };

    // A machine is busy with its task before anybody can see that: what it will do is not known until then.
    private bool IsMigration(string task) => tasks.Find(task) is { } found && OperationCatalogue.Find(found.Operation)?.Type == typeof(MigrateVm);
}
