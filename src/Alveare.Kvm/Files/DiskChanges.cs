using System.Collections.Immutable;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Files;

/// <summary>What a new configuration asks of a machine's disk files.</summary>
public sealed record DiskChanges(ImmutableArray<DiskSpec> Added, ImmutableArray<DiskSpec> Grown)
{
    /// <summary>Compares two configurations of one machine. Faults: another machine's UUID, a disk that shrinks or changes its format.</summary>
    public static DiskChanges Between(MachineSpec now, MachineSpec wanted)
    {
        if (now.Uuid != wanted.Uuid)
            throw Invalid(now, "the UUID", wanted.Uuid.ToString(), $"{now.Uuid}, which never changes");
        var added = ImmutableArray.CreateBuilder<DiskSpec>();
        var grown = ImmutableArray.CreateBuilder<DiskSpec>();
        foreach (var disk in wanted.Disks)
        {
            var old = now.Disks.FirstOrDefault(d => d.File == disk.File);
            if (old is null)
                added.Add(disk);
            else if (old.Format != disk.Format)
                throw Invalid(now, $"the format of disk '{disk.File}'", disk.Format.ToString(), $"{old.Format}: a clone can have another format");
            else if (disk.Capacity < old.Capacity)
                throw Invalid(now, $"the capacity of disk '{disk.File}'", $"{disk.Capacity}", $"at least {old.Capacity}: disks do not shrink");
            else if (disk.Capacity > old.Capacity)
                grown.Add(disk);
        }

        return new DiskChanges(added.ToImmutable(), grown.ToImmutable());
    }

    private static FaultException Invalid(MachineSpec machine, string what, string given, string expected) =>
        new(new InvalidArgument($"Virtual machine '{machine.Name}'", what, given, expected));
}
