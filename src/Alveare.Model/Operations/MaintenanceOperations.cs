using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Host, "enter-maintenance", Privilege.HostManage, "Move a host's machines to others and let none come, for work on it.", Cancellable = true)]
public sealed record EnterMaintenance : Operation;

[Operation(EntityKind.Host, "exit-maintenance", Privilege.HostManage, "Let a host run machines again.")]
public sealed record ExitMaintenance : Operation;
