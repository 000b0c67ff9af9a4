using System.Collections.Immutable;
using System.Globalization;
using Alveare.Kvm.Machines;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Clones;

/// <summary>Which disk files a clone consists of and where each comes from: a pure function of the command and the source.</summary>
/// <param name="Spec">The clone's configuration, with the names its files get.</param>
/// <param name="Disks">One for each disk of <paramref name="Spec"/>, in its order.</param>
/// <param name="Variables">The file of its UEFI variables, or null where it boots otherwise.</param>
public sealed record ClonePlan(MachineSpec Spec, ImmutableArray<PlannedDisk> Disks, string? Variables)
{
    /// <summary>The files that are made for the clone, beside its configuration.</summary>
    public IEnumerable<string> Files => Spec.Disks.Select(d => d.File).Concat(new[] { Spec.CustomizationSeed, Variables }.OfType<string>());

    /// <summary>The first disks of the clone are the source's disks, in their order; further ones are new and empty.</summary>
    public static ClonePlan Make(CloneMachine command, MachineSpec source)
    {
        var name = command.Spec.Name;
        if (command.Spec.Uuid == source.Uuid)
            throw Invalid(name, "the UUID", source.Uuid.ToString(), "another one than the source's");
        if (command.Spec.Disks.Length < source.Disks.Length)
            throw Invalid(name, "the number of disks", Invariant($"{command.Spec.Disks.Length}"), Invariant($"at least the source's {source.Disks.Length}"));
        if (command.Kind == CloneKind.Linked && command.Source.Datastore != command.Target.Datastore)
            throw Invalid(name, "the datastore", command.Target.Datastore.ToString(), $"{command.Source.Datastore}, where the disks are that the clone stands on");
        var stem = Path.GetFileNameWithoutExtension(command.Target.FileName);
        var disks = command.Spec.Disks.Select((disk, i) => Plan(command, stem, i, disk, source.Disks.ElementAtOrDefault(i))).ToImmutableArray();
        // The source's seed is for the source: a clone has one only if it is told something.
        var seed = command.Customization is null ? null : $"{stem}-seed.img";
        var variables = command.Spec.Firmware == Firmware.Uefi ? Ground.VariablesOf(command.Target.FileName) : null;
        return new ClonePlan(command.Spec with { Disks = [.. disks.Select(d => d.Disk)], CustomizationSeed = seed }, disks, variables);
    }

    private static PlannedDisk Plan(CloneMachine command, string stem, int index, DiskSpec wanted, DiskSpec? source)
    {
        var extension = wanted.Format == DiskFormat.Raw ? "raw" : "qcow2";
        var disk = wanted with { File = index == 0 ? $"{stem}.{extension}" : Invariant($"{stem}-{index}.{extension}") };
        if (source is null)
            return new PlannedDisk(disk, null);
        if (wanted.Capacity < source.Capacity)
            throw Invalid(command.Spec.Name, Invariant($"the capacity of disk {index + 1}"), $"{wanted.Capacity}", $"at least the source's {source.Capacity}");
        if (command.Kind == CloneKind.Linked && wanted.Format != DiskFormat.Qcow2)
            throw Invalid(command.Spec.Name, Invariant($"the format of disk {index + 1}"), $"{wanted.Format}", $"{DiskFormat.Qcow2}: only that can stand on another disk");
        return new PlannedDisk(disk, source);
    }

    private static FaultException Invalid(string machine, string what, string given, string expected) =>
        new(new InvalidArgument($"The clone '{machine}'", what, given, expected));

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>One disk of a clone.</summary>
/// <param name="Source">The source's disk that it shows, or null for an empty one.</param>
public sealed record PlannedDisk(DiskSpec Disk, DiskSpec? Source);
