using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Root, "create-datacenter", Privilege.InventoryChange, "Create a datacenter.")]
public sealed record CreateDatacenter : Operation
{
    public required string Name { get; init; }
}

[Operation(EntityKind.Datacenter, "create-folder", Privilege.InventoryChange, "Create a folder for virtual machines.")]
public sealed record CreateFolder : Operation
{
    public required string Name { get; init; }

    /// <summary>The folder to create it in, or null for the datacenter itself.</summary>
    public EntityId? Folder { get; init; }
}

[Operation(EntityKind.Datacenter, "create-cluster", Privilege.InventoryChange, "Create a cluster.")]
public sealed record CreateCluster : Operation
{
    public required string Name { get; init; }
}

[Operation(EntityKind.Cluster, "set-cpu-baseline", Privilege.HostManage, "Set the CPU that machines of the cluster start with, which every host of it must be able to give.")]
public sealed record SetCpuBaseline : Operation
{
    /// <summary>A level (x86-64-v1 to x86-64-v4) or a processor model that QEMU knows by name; null for none.</summary>
    public string? Baseline { get; init; }
}

[Operation(EntityKind.Datacenter, "join-host", Privilege.HostManage, "Join a host by address, fingerprint and credentials.", Cancellable = true)]
public sealed record JoinHost : Operation
{
    public required string Address { get; init; }

    /// <summary>Name in the inventory; null takes the host's own name.</summary>
    public string? Name { get; init; }

    /// <summary>SHA-256 of the host's certificate in hexadecimal (colons allowed), as <c>Alveare.Host</c> prints it.</summary>
    public required string Fingerprint { get; init; }

    public required string User { get; init; }

    public required string Password { get; init; }

    public EntityId? Cluster { get; init; }

    /// <summary>Take the host over from another center.</summary>
    public bool Force { get; init; }
}

[Operation(EntityKind.Host, "disconnect", Privilege.HostManage, "Stop talking to a host; its machines run on.")]
public sealed record DisconnectHost : Operation;

[Operation(EntityKind.Host, "reconnect", Privilege.HostManage, "Talk to a disconnected host again.")]
public sealed record ReconnectHost : Operation;

[Operation(EntityKind.Host, "remove", Privilege.HostManage, "Remove a host and its machines from the inventory; machines run on.")]
public sealed record RemoveHost : Operation;

[Operation(EntityKind.Datacenter, "create-datastore", Privilege.StorageManage, "Offer a directory as a datastore on every host of the datacenter that has it.")]
public sealed record CreateDatastore : Operation
{
    public required string Name { get; init; }

    /// <summary>Absolute directory on the hosts.</summary>
    public required string Path { get; init; }
}

[Operation(EntityKind.Datastore, "remove", Privilege.StorageManage, "Stop offering a datastore; its files stay.")]
public sealed record RemoveDatastore : Operation;

[Operation(EntityKind.Datacenter, "create-portgroup", Privilege.NetworkManage, "Create a port group on every host of the datacenter.")]
public sealed record CreatePortGroup : Operation
{
    public required string Name { get; init; }

    /// <summary>VXLAN network identifier; null takes the lowest free one from 100.</summary>
    public int? Vni { get; init; }
}

[Operation(EntityKind.PortGroup, "remove", Privilege.NetworkManage, "Remove a port group that no machine uses.")]
public sealed record RemovePortGroup : Operation;

// Renaming, moving and removing are the same work for several kinds, but each kind has its own privilege.

[Operation(EntityKind.Root, "rename", Privilege.InventoryChange, "Rename any object of the inventory.")]
public sealed record Rename : Operation
{
    public required EntityId Object { get; init; }

    public required string Name { get; init; }
}

[Operation(EntityKind.Root, "move", Privilege.InventoryChange, "Move a machine or folder into a folder or datacenter, or a host into a cluster.")]
public sealed record Move : Operation
{
    public required EntityId Object { get; init; }

    public required EntityId Into { get; init; }
}

[Operation(EntityKind.Root, "remove", Privilege.InventoryChange, "Remove an empty datacenter, cluster or folder.")]
public sealed record RemoveContainer : Operation
{
    public required EntityId Object { get; init; }
}

[Operation(EntityKind.Root, "create-user", Privilege.UserManage, "Create a user.")]
public sealed record CreateUser : Operation
{
    public required string User { get; init; }

    public required string Password { get; init; }

    public required Role Role { get; init; }
}

[Operation(EntityKind.Root, "update-user", Privilege.UserManage, "Change a user's role or password; ends that user's sessions.")]
public sealed record UpdateUser : Operation
{
    public required string User { get; init; }

    public string? Password { get; init; }

    public Role? Role { get; init; }
}

[Operation(EntityKind.Root, "remove-user", Privilege.UserManage, "Remove a user and end that user's sessions.")]
public sealed record RemoveUser : Operation
{
    public required string User { get; init; }
}
