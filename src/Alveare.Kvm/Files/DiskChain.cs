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
            var backing = DiskFile.Check(root, next, format, alone && chain.Count == 0);
            chain.Add(next);
            if (backing is null)
                return chain;
            var overlay = next;
            next = Join(root, overlay, backing.Name);
            format = backing.Format ?? GuessFormat(root, overlay, next);
            if (chain.Contains(next) || chain.Count == MaxLength)
                throw new FaultException(new FileCorrupt(PathOf(root, relative), $"it stands on itself or on more than {MaxLength} files"));
        }
    }

    /// <summary>The file that a disk stands on, relative to the datastore; null for one that stands alone, and for one that cannot or may not be used, or stands on
    /// something of that kind.</summary>
    public static string? FindBacking(DatastoreRoot root, string relative, DiskFormat format)
    {
        try
        {
            if (DiskFile.Check(root, relative, format, alone: false) is not { } backing)
                return null;
            var found = Join(root, relative, backing.Name);
            using var file = root.TryOpenRead(found);
            return file is null ? null : found;
        }
        catch (Exception e) when (e is IOException or FaultException { Fault: FileCorrupt or FileNotFoundFault or InvalidPath or HostOperationFailed })
        {
            // Also one that cannot be read.
            return null;
        }
    }

    /// <summary>What QEMU would guess, where that is qcow2. It knows many formats, some of which lead to any other file: a raw disk that holds one of
    /// these is never guessed at.</summary>
    private static DiskFormat GuessFormat(DatastoreRoot root, string overlay, string relative)
    {
        using var file = root.TryOpenRead(relative) ?? throw new FaultException(new FileNotFoundFault(PathOf(root, relative)));
        Span<byte> start = stackalloc byte[4];
        if (Qcow2Header.Begins(start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)]))
            return DiskFormat.Qcow2;
        throw new FaultException(new FileCorrupt(
            PathOf(root, overlay), $"it does not say which format '{relative}' has, on which it stands: 'qemu-img rebase -u -f qcow2 -b NAME -F raw' writes that into it"));
    }

    /// <summary>QEMU reads the name relative to the overlay's directory; other hosts may have the datastore elsewhere.</summary>
    private static string Join(DatastoreRoot root, string overlay, string backing)
    {
        if (Path.IsPathRooted(backing) || backing.Contains(':', StringComparison.Ordinal))
            throw new FaultException(new FileCorrupt(PathOf(root, overlay), $"it stands on '{backing}', expected a path relative to its directory"));
        var parts = new List<string>(overlay.Split('/')[..^1]);
        var hasGoneDown = false;
        foreach (var part in backing.Split('/'))
        {
            if (part == ".." && parts.Count == 0)
                throw new FaultException(new FileCorrupt(PathOf(root, overlay), $"it stands on '{backing}', which is outside of the datastore"));
            // The kernel goes up from where a directory's link leads, not from where the link is.
            if (part == ".." && hasGoneDown)
                throw new FaultException(new FileCorrupt(PathOf(root, overlay), $"it stands on '{backing}', expected '..' in front alone"));
            if (part == "..")
            {
                parts.RemoveAt(parts.Count - 1);
            }
            else if (part is not ("" or "."))
            {
                parts.Add(part);
                hasGoneDown = true;
            }
        }

        return string.Join('/', parts);
    }

    private static string PathOf(DatastoreRoot root, string relative) => Path.Combine(root.Directory, relative);
}
