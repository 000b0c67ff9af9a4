using Alveare.Core.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;

namespace Alveare.Core.Power;

/// <summary>Powers hosts up and down by the way that each is set up for.</summary>
internal sealed class HostWaker(MachineGround ground, IHostPower power, ControllerPasswords passwords)
{
    /// <summary>So many neighbours send a wake packet too: the center may be in another network.</summary>
    private const int Neighbours = 3;

    /// <summary>Wakes a host. That it was done says nothing of whether the host comes up.</summary>
    public Task WakeAsync(Host host, CancellationToken cancellation) => host switch
    {
        { Redfish: { } controller } => power.PowerOnAsync(controller, PasswordOf(host), cancellation),
        { WakeOnLan: { } card } => SendAsync(host, card, cancellation),
        _ => throw new FaultException(NotSetUp(host)),
    };

    /// <summary>What is wrong with a host that nobody could wake.</summary>
    public static InvalidState NotSetUp(Host host) =>
        new(host.Name, "set up to be woken by nothing", "woken by Wake-on-LAN or a baseboard controller (host.set-power)");

    /// <summary>Ends when nothing is known that would keep a host from powering down and being woken: its controller, if it has one, is asked.</summary>
    public Task CheckAsync(Host host, CancellationToken cancellation) =>
        host.Redfish is { } controller ? power.CheckAsync(controller, PasswordOf(host), cancellation) : Task.CompletedTask;

    /// <summary>Makes a host power down: by its own command, or by its baseboard controller. Ends when it was told.</summary>
    public async Task PowerDownAsync(Host host, CancellationToken cancellation)
    {
        try
        {
            await ground.Hosts.ExecuteAsync(host.Id, new PowerDownHost(ByController: host.Redfish is not null), null, cancellation);
        }
        catch (FaultException e) when (e.Fault is HostNotConnected)
        {
            // A host that goes down may take its answer with it. One that has heard nothing comes back, and says so by being there.
        }

        if (host.Redfish is { } controller)
            await power.ShutDownAsync(controller, PasswordOf(host), cancellation);
    }

    /// <summary>Whether a host has power, as far as anybody knows: null where only the host itself could tell.</summary>
    public async Task<bool?> IsOnAsync(Host host, CancellationToken cancellation) =>
        host.Redfish is { } controller ? await power.IsOnAsync(controller, PasswordOf(host), cancellation) : null;

    private string PasswordOf(Host host) =>
        passwords.Find(host.Id) ?? throw new FaultException(new ControllerFailed(host.Redfish!.Address, $"the password of its user '{host.Redfish.User}' is not stored"));

    // Each way may fail, as long as one works.
    private async Task SendAsync(Host host, WakeOnLan card, CancellationToken cancellation)
    {
        var senders = NeighboursOf(host)
            .Select(n => ground.Hosts.ExecuteAsync(n, new SendWakePacket(card.Mac, card.Broadcast), null, cancellation))
            .Append(power.SendPacketAsync(card, cancellation))
            .ToList();
        Fault? refusal = null;
        var sent = 0;
        foreach (var sender in senders)
        {
            try
            {
                await sender;
                sent++;
            }
            catch (FaultException e)
            {
                refusal = e.Fault;
            }
        }

        if (sent == 0)
            throw new FaultException(refusal!);
    }

    private IEnumerable<EntityId> NeighboursOf(Host host) => ground.Now.Children<Host>(host.Parent!.Value)
        .Where(h => h.Id != host.Id && h.Connection == HostConnection.Connected)
        .OrderBy(h => h.Id)
        .Take(Neighbours)
        .Select(h => h.Id);
}
