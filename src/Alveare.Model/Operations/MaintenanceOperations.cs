using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Host, "enter-maintenance", Privilege.HostManage, "Move a host's machines to others and let none come, for work on it.", Cancellable = true)]
public sealed record EnterMaintenance : Operation;

[Operation(EntityKind.Host, "exit-maintenance", Privilege.HostManage, "Let a host run machines again.")]
public sealed record ExitMaintenance : Operation;

[Operation(EntityKind.Cluster, "rolling-maintenance", Privilege.HostManage, "Put the hosts of a cluster into maintenance and out of it again, some at a time.", Cancellable = true)]
public sealed record RollingMaintenance : Operation
{
    /// <summary>How many hosts at once, 1 or more; at least one always runs machines.</summary>
    public int AtOnce { get; init; } = 1;

    /// <summary>How long each host stays in maintenance, up to a day.</summary>
    public TimeSpan Hold { get; init; }
}
