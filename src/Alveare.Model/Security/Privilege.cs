using System.Collections.Immutable;

namespace Alveare.Model.Security;

/// <summary>What a user may be allowed to do.</summary>
public enum Privilege
{
    /// <summary>See the inventory, tasks, events and statistics.</summary>
    View,
    VmPower,
    VmCreate,
    VmConfigure,
    VmDelete,
    VmMigrate,
    VmConsole,
    TaskCancel,
    InventoryChange,
    HostManage,
    StorageManage,
    NetworkManage,
    UserManage,
}

/// <summary>A named set of privileges.</summary>
public enum Role
{
    ReadOnly,

    /// <summary>Works with machines, not with the site.</summary>
    Operator,
    Administrator,
}

/// <summary>Which role holds which privileges.</summary>
public static class Roles
{
    private static readonly ImmutableHashSet<Privilege> ReadOnlyPrivileges = [Privilege.View];

    private static readonly ImmutableHashSet<Privilege> OperatorPrivileges =
    [
        Privilege.View, Privilege.VmPower, Privilege.VmCreate, Privilege.VmConfigure, Privilege.VmDelete, Privilege.VmMigrate,
        Privilege.VmConsole, Privilege.TaskCancel,
    ];

    public static bool Has(this Role role, Privilege privilege) => role switch
    {
        Role.Administrator => true,
        Role.Operator => OperatorPrivileges.Contains(privilege),
        _ => ReadOnlyPrivileges.Contains(privilege),
    };
}
