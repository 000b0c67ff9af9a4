using System.Runtime.InteropServices;

namespace Alveare.Kvm.Qemu;

/// <summary>The few system calls around a process that .NET has no call for.</summary>
internal static partial class Native
{
    public const int AtFdCwd = -100;
    public const uint StatxGid = 0x10;
    public const int SigKill = 9;

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LChown(string path, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statx(int directory, string path, int flags, uint mask, out StatxBuffer status);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

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
