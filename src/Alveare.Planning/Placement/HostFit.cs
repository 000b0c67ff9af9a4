using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;

namespace Alveare.Planning.Placement;

/// <summary>The one rule check: may this machine be on this host? Placement, migration and every later decision ask here.</summary>
public static class HostFit
{
    /// <summary>Every rule that is broken, each with its own fault, in a fixed order; empty when the machine fits. Of a host that cannot be
    /// used at all only that is said: what it offered last is no longer known to be true.</summary>
    public static ImmutableArray<Fault> Check(MachineNeeds needs, HostRoom host) => host.Problem is { } problem
        ? [new HostNotConnected(host.Name, problem)]
        : [.. Service(host), .. Cpu(needs, host), .. Datastores(needs, host), .. Networks(needs, host), .. Memory(needs, host), .. Promises(needs.Name, needs.CpuReservation, host), .. Rules(needs, host)];

    private static IEnumerable<Fault> Service(HostRoom host)
    {
        if (host.Maintenance != HostMaintenance.None)
            yield return new InvalidState(host.Name, host.Maintenance.Words(), HostMaintenance.None.Words());
        if (host.Standby != HostStandby.None)
            yield return new InvalidState(host.Name, host.Standby.Words(), HostStandby.None.Words());
    }

    private static IEnumerable<Fault> Cpu(MachineNeeds needs, HostRoom host)
    {
        var missing = host.CpuModels.FirstOrDefault(m => m.Name == needs.CpuModel)?.Missing ?? CpuModels.Missing(needs.CpuFeatures, host.CpuFeatures);
        if (!missing.IsEmpty)
            yield return new CpuIncompatible(needs.Name, host.Name, missing);
    }

    private static IEnumerable<Fault> Datastores(MachineNeeds needs, HostRoom host)
    {
        if (Datastore(needs.Datastore, needs.DatastoreName, host) is { } own)
            yield return own;
        if (needs.Source is { } source && source.Id != needs.Datastore && Datastore(source.Id, source.Name, host) is { } other)
            yield return other;
    }

    private static DatastoreNotAccessible? Datastore(EntityId id, string name, HostRoom host) =>
        host.Datastores.FirstOrDefault(d => d.Id == id) switch
        {
            null => new(name, host.Name, "it is not mounted there"),
            { Problem: { } problem } => new(name, host.Name, problem),
            _ => null,
        };

    private static IEnumerable<Fault> Networks(MachineNeeds needs, HostRoom host) => needs.PortGroups
        .Where(name => !host.PortGroups.Contains(name, StringComparer.Ordinal))
        .Order(StringComparer.Ordinal)
        .Select(name => new NetworkNotAccessible(name, host.Name));

    /// <summary>Why what a machine is promised could not be kept on a host beside what is promised to others, there and by the resource pools of its
    /// cluster; empty when it can.</summary>
    public static IEnumerable<Fault> Promises(string machine, Megahertz wanted, HostRoom host)
    {
        var free = host.CpuReserved >= host.CpuCapacity ? Megahertz.Zero : host.CpuCapacity - host.CpuReserved;
        if (wanted > free)
            yield return new InsufficientReservation(machine, host.Name, wanted, free);
        foreach (var shortage in host.PoolShortages)
            yield return shortage;
    }

    private static IEnumerable<Fault> Rules(MachineNeeds needs, HostRoom host) =>
        host.BrokenRules.Where(r => r is { IsMust: true, IsWorse: true }).Select(r => new RuleViolated(needs.Name, host.Name, r.Text));

    private static IEnumerable<Fault> Memory(MachineNeeds needs, HostRoom host)
    {
        if (needs.Memory > host.MemoryFree)
            yield return new InsufficientMemory(needs.Name, host.Name, needs.Memory, host.MemoryFree);
    }
}
