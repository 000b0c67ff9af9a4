using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Machines;

/// <summary>How a new machine's files are called: a directory made of its name, and everything in it named after the directory.</summary>
internal static class MachineLayout
{
    // A file system takes 255 bytes; suffixes of files in the directory and of locks need some of them.
    private const int MaxBytes = 160;

    /// <summary>A directory for a machine of this name that no machine of the inventory has.</summary>
    public static string FreeDirectory(InventorySnapshot now, EntityId datastore, string name, Guid uuid)
    {
        var wanted = Directory(name);
        // Without regard to case: a datastore may be on a file system that has none.
        var isTaken = now.OfType<VirtualMachine>().Any(v =>
            v.Config.Datastore == datastore && string.Equals(v.Config.Directory, wanted, StringComparison.OrdinalIgnoreCase));
        return isTaken ? UniqueDirectory(name, uuid) : wanted;
    }

    /// <summary>A directory that also nothing outside the inventory has.</summary>
    public static string UniqueDirectory(string name, Guid uuid) => Unique(Directory(name), uuid);

    /// <summary>What files are called after that are to meet no others.</summary>
    public static string Unique(string stem, Guid uuid) => $"{stem}-{uuid.ToString("N")[..12]}";

    public static DatastorePath Config(EntityId datastore, string directory) => new(datastore, $"{directory}/{directory}.vmx");

    /// <summary>Disks of the given capacities, named so that they do not meet those the machine has.</summary>
    public static ImmutableArray<DiskSpec> Disks(string directory, IEnumerable<(Bytes Capacity, DiskFormat Format)> disks, ImmutableArray<DiskSpec> already)
    {
        var taken = already.Select(d => d.File).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var number = already.Length;
        var added = ImmutableArray.CreateBuilder<DiskSpec>();
        foreach (var (capacity, format) in disks)
        {
            string file;
            do
                file = FileName(directory, number++, format);
            while (!taken.Add(file));
            added.Add(new DiskSpec(file, capacity, format));
        }

        return added.ToImmutable();
    }

    private static string FileName(string directory, int number, DiskFormat format)
    {
        var suffix = number == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"-{number}");
        return $"{directory}{suffix}.{(format == DiskFormat.Raw ? "raw" : "qcow2")}";
    }

    /// <summary>Letters and digits of any script, with '-' for whatever a shell, a path or QEMU could take for more than a name.</summary>
    private static string Directory(string name)
    {
        var safe = new StringBuilder();
        var bytes = 0;
        foreach (var rune in name.Normalize(NormalizationForm.FormC).EnumerateRunes())
        {
            var kept = Rune.IsLetterOrDigit(rune) || rune.Value is '_' or '.' ? rune : new Rune('-');
            if ((bytes += kept.Utf8SequenceLength) > MaxBytes)
                break;
            safe.Append(kept);
        }

        // A leading dot hides it, a leading '-' reads as an option, and locks have names of their own beside it.
        var directory = safe.ToString().Trim('-', '.').Replace(".lock", "-lock", StringComparison.OrdinalIgnoreCase);
        return directory.Length == 0 ? "vm" : directory;
    }
}
