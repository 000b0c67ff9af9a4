using System.Buffers.Binary;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Files;

/// <summary>Looks at a disk file before QEMU does, so that what is wrong with it is said in words that name the file.</summary>
/// <remarks>The header's layout is in QEMU's docs/interop/qcow2.txt.</remarks>
public static class DiskFile
{
    private const int HeaderBytes = 104;
    private const long CorruptBit = 1 << 1;
    private const long ExternalDataBit = 1 << 2;

    // QEMU (block/file-posix.c) locks single bytes from 100 for what it does and from 200 for what it lets nobody else do.
    private const long FirstLockByte = 100;
    private const long LockBytes = 200;

    /// <summary>What the disk stands on, as its header says; null when it stands alone.
    /// A fault for a file that is missing, corrupt or, when <paramref name="alone"/>, open in another process.</summary>
    public static BackingFile? Check(DatastoreRoot root, string relative, DiskFormat format, bool alone)
    {
        var path = Path.Combine(root.Directory, relative);
        using var file = root.TryOpenRead(relative) ?? throw new FaultException(new FileNotFoundFault(path));
        if (alone)
            RequireClosed(path, file);
        return format == DiskFormat.Raw ? CheckRaw(path, file) : CheckQcow2(path, file);
    }

    /// <summary>A fault while another process has the disk open. One that is missing, or in whose place something else is, nobody has open.</summary>
    public static void RequireClosed(DatastoreRoot root, string relative)
    {
        try
        {
            using var file = root.TryOpenRead(relative);
            if (file is not null)
                RequireClosed(Path.Combine(root.Directory, relative), file);
        }
        catch (FaultException e) when (e.Fault is InvalidPath)
        {
            // A link or a pipe.
        }
    }

    private static void RequireClosed(string path, FileStream file)
    {
        if (FileCalls.HasLock((int)file.SafeFileHandle.DangerousGetHandle(), FirstLockByte, LockBytes))
            throw new FaultException(new FileLocked(path, "another process has it open; a disk has one user at a time"));
    }

    private static BackingFile? CheckRaw(string path, FileStream file) => file.Length >= 512
        ? null
        : throw new FaultException(new FileCorrupt(path, $"it has {file.Length} bytes, expected a disk of at least one sector of 512"));

    private static BackingFile? CheckQcow2(string path, FileStream file)
    {
        var header = new byte[HeaderBytes];
        var length = file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
        if (!Qcow2Header.Begins(header.AsSpan(..length)))
            throw new FaultException(new FileCorrupt(path, "it does not begin as a qcow2 image does"));
        if (length < HeaderBytes)
            throw new FaultException(new FileCorrupt(path, $"it is cut off: it has {file.Length} bytes, less than the header of a qcow2 image"));
        var version = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4));
        if (version is not (2 or 3))
            throw new FaultException(new FileCorrupt(path, $"it is a qcow2 image of version {version}, expected 2 or 3"));
        RequireIntact(path, file.Length, header, version);
        return BackingFile.Read(path, file, header);
    }

    private static void RequireIntact(string path, long length, ReadOnlySpan<byte> header, uint version)
    {
        var features = version == 3 ? BinaryPrimitives.ReadInt64BigEndian(header[72..]) : 0;
        if ((features & CorruptBit) != 0)
            throw new FaultException(new FileCorrupt(path, "QEMU has marked it as corrupt; 'qemu-img check' says more"));
        if ((features & ExternalDataBit) != 0)
            throw new FaultException(new FileCorrupt(path, "it keeps its data in another file, expected it in the image"));
        var clusterBits = BinaryPrimitives.ReadUInt32BigEndian(header[20..]);
        if (clusterBits is < 9 or > 21)
            throw new FaultException(new FileCorrupt(path, $"its clusters have 2^{clusterBits} bytes, expected 2^9 to 2^21"));
        var tableEnd = BinaryPrimitives.ReadUInt64BigEndian(header[40..]) + (8UL * BinaryPrimitives.ReadUInt32BigEndian(header[36..]));
        if (tableEnd > (ulong)length)
            throw new FaultException(new FileCorrupt(path, $"it is cut off: it has {length} bytes and its table of clusters ends at {tableEnd}"));
    }
}
