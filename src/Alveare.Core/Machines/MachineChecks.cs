using System.Globalization;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Machines;

/// <summary>Checks what somebody asks of a machine before anything is done, each with its own fault.</summary>
internal static class MachineChecks
{
    private static readonly Bytes Unit = Bytes.FromMib(1);

    /// <summary>The container a new machine goes into: the folder, or the datacenter itself.</summary>
    public static EntityId Container(InventorySnapshot now, Datacenter datacenter, EntityId? folder, string machine)
    {
        if (folder is not { } id || id == datacenter.Id)
            return datacenter.Id;
        var found = now.Get<Folder>(id);
        return now.DatacenterOf(id)?.Id == datacenter.Id
            ? id
            : throw Refused(machine, "the folder", $"'{found.Name}'", $"a folder of datacenter '{datacenter.Name}'");
    }

    public static Datastore DatastoreOf(InventorySnapshot now, Datacenter datacenter, EntityId id, string machine)
    {
        var found = now.Get<Datastore>(id);
        return now.DatacenterOf(id)?.Id == datacenter.Id
            ? found
            : throw Refused(machine, "the datastore", $"'{found.Name}'", $"a datastore of datacenter '{datacenter.Name}'");
    }

    public static void Size(string machine, int cpus, Bytes memory)
    {
        if (cpus is < 1 or > MachineLimits.MaxCpus)
            throw Refused(machine, "the number of CPUs", cpus.ToString(CultureInfo.InvariantCulture), $"1 to {MachineLimits.MaxCpus}");
        InRange(machine, "the memory", memory, MachineLimits.MinMemory, MachineLimits.MaxMemory);
    }

    /// <param name="already">How many disks the machine has before these are added.</param>
    public static void Disks(string machine, IReadOnlyList<Bytes> capacities, int already = 0)
    {
        if (capacities.Count + already > MachineLimits.MaxDisks)
            throw Refused(machine, "the number of disks", $"{capacities.Count + already}", $"at most {MachineLimits.MaxDisks}");
        foreach (var capacity in capacities)
            InRange(machine, "the capacity of a disk", capacity, MachineLimits.MinDisk, MachineLimits.MaxDisk);
    }

    /// <summary>Every network card is on a port group that the datacenter has.</summary>
    public static void PortGroups(InventorySnapshot now, Datacenter datacenter, string machine, IReadOnlyList<string> names)
    {
        if (names.Count > MachineLimits.MaxNics)
            throw Refused(machine, "the number of network cards", $"{names.Count}", $"at most {MachineLimits.MaxNics}");
        var known = now.Children<PortGroup>(datacenter.Id).Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        if (names.FirstOrDefault(n => !known.Contains(n)) is { } unknown)
            throw new FaultException(NotFound.Among(known, "port group", unknown));
    }

    /// <summary>What can be checked of a customization before any host is asked.</summary>
    public static void Customization(string machine, GuestCustomization? customization)
    {
        foreach (var key in customization?.SshKeys ?? [])
        {
            if (SshPublicKey.WhyIllegal(key) is { } expected)
                throw Refused(machine, "an SSH key", key.Length <= 40 ? $"'{key}'" : $"'{key[..37]}...'", expected);
        }
    }

    private static void InRange(string machine, string what, Bytes given, Bytes least, Bytes most)
    {
        if (given < least || given > most || given.Value % Unit.Value != 0)
            throw Refused(machine, what, given.Exactly, $"{least} to {most} in whole MiB");
    }

    private static FaultException Refused(string machine, string what, string given, string expected) =>
        new(new InvalidArgument($"Virtual machine '{machine}'", what, given, expected));
}
