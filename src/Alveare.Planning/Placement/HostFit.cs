using System.Collections.Immutable;
using Alveare.Model.Faults;

namespace Alveare.Planning.Placement;

/// <summary>The one rule check: may this machine be on this host? Placement, migration and every later decision ask here.</summary>
public static class HostFit
{
    /// <summary>Every rule that is broken, each with its own fault, in a fixed order; empty when the machine fits. Of a host that cannot be
    /// used at all only that is said: what it offered last is no longer known to be true.</summary>
    public static ImmutableArray<Fault> Check(MachineNeeds needs, HostRoom host) => host.Problem is { } problem
        ? [new HostNotConnected(host.Name, problem)]
        : [.. Cpu(needs, host), .. Datastore(needs, host), .. Networks(needs, host), .. Memory(needs, host)];

    private static IEnumerable<Fault> Cpu(MachineNeeds needs, HostRoom host)
    {
        var missing = CpuModels.Missing(needs.CpuFeatures, host.CpuFeatures);
        if (!missing.IsEmpty)
            yield return new CpuIncompatible(needs.Name, host.Name, missing);
    }

    private static IEnumerable<Fault> Datastore(MachineNeeds needs, HostRoom host)
    {
        var datastore = host.Datastores.FirstOrDefault(d => d.Id == needs.Datastore);
        if (datastore is null)
            yield return new DatastoreNotAccessible(needs.DatastoreName, host.Name, "it is not mounted there");
        else if (datastore.Problem is { } problem)
            yield return new DatastoreNotAccessible(needs.DatastoreName, host.Name, problem);
    }

    private static IEnumerable<Fault> Networks(MachineNeeds needs, HostRoom host) => needs.PortGroups
        .Where(name => !host.PortGroups.Contains(name, StringComparer.Ordinal))
        .Order(StringComparer.Ordinal)
        .Select(name => new NetworkNotAccessible(name, host.Name));

    private static IEnumerable<Fault> Memory(MachineNeeds needs, HostRoom host)
    {
        if (needs.Memory > host.MemoryFree)
            yield return new InsufficientMemory(needs.Name, host.Name, needs.Memory, host.MemoryFree);
    }
}
