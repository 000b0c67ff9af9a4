using Alveare.Core.Hosts;
using Alveare.HostLink.Remote;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Networks;

/// <summary>Agents in two network namespaces whose port groups meet over the cable between them.</summary>
internal static class JoinedAgents
{
    public static AgentProcess Start(MachineRoom room, TwoNamespaces wires, int which, params string[] more) =>
        StartOver(TwoNamespaces.Uplink, room, wires, which, more);

    /// <summary>An agent with an uplink of the test's own.</summary>
    public static AgentProcess StartOver(string uplink, MachineRoom room, TwoNamespaces wires, int which, params string[] more) => AgentProcess.Start(
        room, which == 0 ? "a" : "b",
        [
            "--uplink", uplink, "--migration-address", TwoNamespaces.UplinkOf(which), "--listen", $"{wires.ManagementOf(which)}:0", .. more,
        ],
        wires.NameOf(which));

    public static async Task<IHost> JoinAsync(MachineRoom room, HostLinkConnector center, AgentProcess agent, PortGroupSpec portGroup)
    {
        var invitation = await agent.ReadyAsync();
        var joined = await center.JoinAsync(invitation, TestContext.Current.CancellationToken);
        var host = center.Connect(new Model.Inventory.Host
        {
            Id = joined.Id, Name = joined.HostName, Address = invitation.Address, Fingerprint = joined.Fingerprint,
        });
        await MachineRoom.ExecuteAsync(host, new MountDatastore(room.Datastore, "shared", room.DatastorePath, Mark: true));
        await MachineRoom.ExecuteAsync(host, new ApplyPortGroups([portGroup]));
        return host;
    }
}
