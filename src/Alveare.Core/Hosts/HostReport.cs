using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>Checks what a host reports before anybody believes it: whoever is at the other end, only its own host may suffer.</summary>
internal static class HostReport
{
    /// <summary>Throws a <see cref="HostAnswerInvalid"/> fault for a change that cannot be.</summary>
    public static void Check(EntityId host, string hostName, HostChange change)
    {
        if (WhyInvalid(host, change) is { } reason)
            throw new FaultException(new HostAnswerInvalid(hostName, reason));
    }

    private static string? WhyInvalid(EntityId host, HostChange change) => change switch
    {
        HostObserved observed => WhyInvalid(host, observed.Snapshot),
        FactsChanged facts => WhyInvalid(host, facts.Facts),
        MachineChanged machine => WhyInvalid(machine.Machine),
        MachineRemoved removed when removed.Machine.Kind != EntityKind.VirtualMachine => $"'{removed.Machine}' is not the id of a machine",
        DatastoresChanged { Datastores.IsDefault: true } or StatisticsSampled { Machines.IsDefault: true } => "a list is missing from its report",
        DatastoresChanged datastores => datastores.Datastores.Select(WhyInvalid).FirstOrDefault(r => r is not null),
        StatisticsSampled samples when samples.Host.Host != host => $"it sent the statistics of {samples.Host.Host}",
        _ => null,
    };

    private static string? WhyInvalid(EntityId host, HostSnapshot said)
    {
        if (said.Machines.IsDefault || said.Datastores.IsDefault || said.PortGroups.IsDefault)
            return "a list is missing from its report";
        if (said.Machines.GroupBy(m => m.Id).FirstOrDefault(g => g.Count() > 1) is { } twice)
            return $"it reports the machine {twice.Key} twice";
        return WhyInvalid(host, said.Facts)
            ?? said.Machines.Select(WhyInvalid).FirstOrDefault(r => r is not null)
            ?? said.Datastores.Select(WhyInvalid).FirstOrDefault(r => r is not null);
    }

    private static string? WhyInvalid(EntityId host, HostFacts facts)
    {
        if (facts.Id != host)
            return $"it says that it is {facts.Id}";
        if (facts.Memory.Value <= 0 || facts.MemoryReserved.Value < 0 || facts.CpuThreads <= 0 || facts.CpuClock.Value < 0)
            return $"it says that it has {facts.CpuThreads} CPU threads and {facts.Memory} of memory";
        return null;
    }

    private static string? WhyInvalid(HostMachine machine)
    {
        if (machine.Id.Kind != EntityKind.VirtualMachine)
            return $"'{machine.Id}' is not the id of a machine";
        if (machine.Config.Datastore.Kind != EntityKind.Datastore || DatastorePath.WhyIllegal(machine.Config.Path) is not null)
            return $"the files of {machine.Id} are at '{machine.Config}'";
        if (machine.Spec is { } spec && spec.Id != machine.Id)
            return $"{machine.Id} has the configuration of {spec.Id}";
        if (machine.LockEpoch < 0 || !Enum.IsDefined(machine.Power))
            return $"{machine.Id} has a state that does not exist";
        return null;
    }

    private static string? WhyInvalid(HostDatastore datastore) =>
        datastore.Id.Kind != EntityKind.Datastore ? $"'{datastore.Id}' is not the id of a datastore"
        : datastore.Capacity.Value < 0 || datastore.Free.Value < 0 ? $"datastore '{datastore.Name}' has a negative size"
        : null;
}
