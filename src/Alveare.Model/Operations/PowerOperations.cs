using Alveare.Model.Inventory;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Host, "set-power", Privilege.HostManage, "Say how a host is woken from standby: by Wake-on-LAN, by its baseboard controller, or not at all.")]
public sealed record SetHostPower : Operation
{
    public WakeOnLan? WakeOnLan { get; init; }

    /// <summary>Instead of <see cref="WakeOnLan"/>. The controller is asked at once whether it can be used.</summary>
    public Redfish? Redfish { get; init; }

    /// <summary>Of the controller's user; null keeps the one that is stored.</summary>
    public string? Password { get; init; }
}

[Operation(EntityKind.Host, "enter-standby", Privilege.HostManage, "Move a host's machines to others and power it down until it is woken.", Cancellable = true)]
public sealed record EnterStandby : Operation;

[Operation(EntityKind.Host, "exit-standby", Privilege.HostManage, "Wake a host that is in standby and wait until it runs machines again.", Cancellable = true)]
public sealed record ExitStandby : Operation;
