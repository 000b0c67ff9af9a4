using System.Runtime.InteropServices;

namespace Alveare.Kvm.Files;

/// <summary>The few system calls around files that .NET has no call for.</summary>
internal static partial class FileCalls
{
    public const int ReadOnly = 0;
    public const int NonBlocking = 0x800;
    public const int DirectoryOnly = 0x10000;
    public const int PathOnly = 0x200000;
    public const int CloseOnExec = 0x80000;

    public const int NoEntry = 2;
    public const int Exists = 17;
    public const int NotADirectory = 20;
    public const int CrossesOut = 18;
    public const int Loop = 40;

    // RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH of openat2(2).
    private const ulong Beneath = 0x02 | 0x04 | 0x08;
    private const long OpenAt2Number = 437;
    private const int EmptyPath = 0x1000;
    private const int CurrentDirectory = -100;
    private const uint TypeMask = 1;
    private const uint UserMask = 8;
    private const int TypeBits = 0xf000;
    private const int RegularType = 0x8000;
    private const int OfdGetLock = 36;
    private const short WriteLock = 1;
    private const short Unlocked = 2;

    /// <summary>Opens a path below a directory without following any symbolic link (Linux 5.6).</summary>
    public static int OpenBeneath(int directory, string path, int flags)
    {
        var how = new OpenHow { Flags = (ulong)(uint)flags, Resolve = Beneath };
        return (int)OpenAt2(OpenAt2Number, directory, path, ref how, (nuint)Marshal.SizeOf<OpenHow>());
    }

    /// <summary>Whether a handle stands for a regular file: no directory, pipe or device.</summary>
    public static bool IsRegular(int handle) =>
        Statx(handle, "", EmptyPath, TypeMask, out var status) == 0 && (status.Mode & TypeBits) == RegularType;

    /// <summary>The user that a file or directory belongs to, or null where there is none.</summary>
    public static uint? OwnerOf(string path) => Statx(CurrentDirectory, path, 0, UserMask, out var status) == 0 ? status.Uid : null;

    /// <summary>Gives the file behind a handle (also one of <see cref="PathOnly"/>) to a user.</summary>
    public static int Own(int handle, uint uid, uint gid) => FChownAt(handle, "", uid, gid, EmptyPath);

    /// <summary>Whether anybody has an open-file-description lock on a part of the file that a writer's lock would collide with.</summary>
    public static bool HasLock(int handle, long start, long length)
    {
        var probe = new FileLock { Type = WriteLock, Start = start, Length = length };
        return FcntlLock(handle, OfdGetLock, ref probe) == 0 && probe.Type != Unlocked;
    }

    /// <summary>The bits that a new file's mode of this process never has.</summary>
    [LibraryImport("libc", EntryPoint = "umask")]
    public static partial uint SetModeMask(uint mask);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Flush(int handle);

    /// <summary>Removes an empty directory; that it is not empty is a result, not an exception.</summary>
    [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int RemoveDirectory(string path);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenAt2(long number, int directory, string path, ref OpenHow how, nuint size);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FChownAt(int directory, string path, uint uid, uint gid, int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FcntlLock(int handle, int command, ref FileLock arguments);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, out FileStatus status);

    /// <summary>The kernel's <c>struct statx</c>, as far as it is needed.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct FileStatus
    {
        [FieldOffset(0x14)]
        public uint Uid;

        [FieldOffset(0x1c)]
        public ushort Mode;
    }

    /// <summary>The kernel's <c>struct open_how</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    /// <summary>The kernel's <c>struct flock</c> on 64 bits.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Pid;
    }
}
