using Alveare.Kvm.Files;

namespace Alveare.Kvm.Cgroups;

/// <summary>The groups of one host in one hierarchy: <c>ROOT/alveare-HOST/MACHINE</c>.</summary>
internal sealed class ControlGroupTree(string root, string parentName)
{
    private readonly string parent = Path.Combine(root, parentName);

    public string Root => root;

    /// <summary>The group that holds the machines'; it may not exist.</summary>
    public string Parent => parent;

    /// <summary>Makes a machine's group. <paramref name="prepare"/> is called for a new parent.</summary>
    public string Add(Guid machine, Action<string>? prepare = null)
    {
        if (!Directory.Exists(parent))
        {
            Directory.CreateDirectory(parent);
            prepare?.Invoke(parent);
        }

        return Directory.CreateDirectory(Path.Combine(parent, machine.ToString("N"))).FullName;
    }

    public bool Contains(string group) => group.StartsWith(parent + "/", StringComparison.Ordinal);

    /// <summary>Removes a group, and the parent with the last one.</summary>
    public void Remove(string group)
    {
        RemoveEmpty(group);
        RemoveEmpty(parent);
    }

    public void Sweep(IReadOnlySet<string> inUse)
    {
        if (!Directory.Exists(parent))
            return;
        foreach (var group in Directory.GetDirectories(parent).Where(g => !inUse.Contains(g)))
            RemoveEmpty(group);
        RemoveEmpty(parent);
    }

    // The files in a group are the kernel's and go with it. One that is gone already, or that processes or groups are in, is no error.
    private static void RemoveEmpty(string group) => FileCalls.RemoveDirectory(group);
}
