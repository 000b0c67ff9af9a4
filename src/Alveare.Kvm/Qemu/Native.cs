using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Qemu;

/// <summary>The few system calls around a process that .NET has no call for.</summary>
internal static partial class Native
{
    public const int AtFdCwd = -100;
    public const uint StatxGid = 0x10;
    public const int SigKill = 9;

    // The numbers are the same on every architecture (unified since they were added, Linux 5.3 and 5.9).
    private const long PidFdOpen = 434;
    private const long CloseRange = 436;
    private const int CloseRangeOnExec = 4;
    private const int FirstHandle = 3;
    private const short PollIn = 1;

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LChown(string path, uint uid, uint gid);

    /// <summary>The user that this process has the rights of.</summary>
    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint UserId();

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statx(int directory, string path, int flags, uint mask, out StatxBuffer status);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    /// <summary>A handle of a process (<c>pidfd_open(2)</c>); invalid when there is no such process or it cannot be had.</summary>
    public static SafeFileHandle OpenProcess(int pid) => new((int)Syscall(PidFdOpen, pid, 0), ownsHandle: true);

    /// <summary>Programs that are started from now on get no file of this process but their three standard ones (Linux 5.11).</summary>
    /// <remarks>The runtime opens its own like that; this is for those that whoever started this process left open.</remarks>
    public static void KeepHandlesFromPrograms() => _ = Syscall(CloseRange, FirstHandle, uint.MaxValue, CloseRangeOnExec);

    /// <summary>Whether all threads of a process have ended, and with them everything it held open.</summary>
    /// <param name="patience">How long the calling thread waits for it.</param>
    public static bool HasEnded(SafeFileHandle process, TimeSpan patience) => IsReadable(process, patience);

    /// <summary>Whether a handle has something to tell, within the time that the calling thread waits for it.</summary>
    public static bool IsReadable(SafeFileHandle handle, TimeSpan patience)
    {
        var wanted = new PollRequest { Handle = (int)handle.DangerousGetHandle(), Events = PollIn };
        return Poll(ref wanted, 1, (int)patience.TotalMilliseconds) > 0;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long Syscall(long number, long first, long second, long third = 0);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollRequest request, ulong count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int Handle;
        public short Events;
        public short Happened;
    }

    /// <summary>The head of the kernel's <c>struct statx</c>, which has 256 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatxBuffer
    {
        [FieldOffset(0x14)]
        public uint Uid;

        [FieldOffset(0x18)]
        public uint Gid;
    }
}
