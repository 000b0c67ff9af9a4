using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Files;

/// <summary>A disk and the files it stands on, from the machine's own file down.</summary>
public static class DiskChain
{
    private const int MaxLength = 64;

    /// <summary>Checks every file of the chain; answers their paths relative to the datastore, the disk itself first.</summary>
    /// <param name="alone">Whether the disk itself must not be open elsewhere; what it stands on is shared by all its clones.</param>
    public static IReadOnlyList<string> Check(DatastoreRoot root, string relative, DiskFormat format, bool alone)
    {
        var chain = new List<string>();
        for (var next = relative; ;)
        {
            var backing = DiskFile.Check(root, next, chain.Count == 0 ? format : FormatOf(root, next), alone && chain.Count == 0);
            chain.Add(next);
            if (backing is null)
                return chain;
            next = Join(root, next, backing);
            if (chain.Contains(next) || chain.Count == MaxLength)
                throw new FaultException(new FileCorrupt(PathOf(root, relative), $"it stands on itself or on more than {MaxLength} files"));
        }
    }

    // The header of the overlay may name the format of what it stands on in an extension; the file itself tells as well.
    private static DiskFormat FormatOf(DatastoreRoot root, string relative)
    {
        using var file = root.TryOpenRead(relative) ?? throw new FaultException(new FileNotFoundFault(PathOf(root, relative)));
        Span<byte> magic = stackalloc byte[4];
        return file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual((ReadOnlySpan<byte>)[(byte)'Q', (byte)'F', (byte)'I', 0xfb])
            ? DiskFormat.Qcow2
            : DiskFormat.Raw;
    }

    /// <summary>QEMU reads the name relative to the overlay's directory; other hosts may have the datastore elsewhere.</summary>
    private static string Join(DatastoreRoot root, string overlay, string backing)
    {
        if (Path.IsPathRooted(backing) || backing.Contains(':', StringComparison.Ordinal))
            throw new FaultException(new FileCorrupt(PathOf(root, overlay), $"it stands on '{backing}', expected a path relative to its directory"));
        var parts = new List<string>(overlay.Split('/')[..^1]);
        foreach (var part in backing.Split('/'))
        {
            if (part == ".." && parts.Count == 0)
                throw new FaultException(new FileCorrupt(PathOf(root, overlay), $"it stands on '{backing}', which is outside of the datastore"));
            if (part == "..")
                parts.RemoveAt(parts.Count - 1);
            else if (part is not ("" or "."))
                parts.Add(part);
        }

        return string.Join('/', parts);
    }

    private static string PathOf(DatastoreRoot root, string relative) => Path.Combine(root.Directory, relative);
}
