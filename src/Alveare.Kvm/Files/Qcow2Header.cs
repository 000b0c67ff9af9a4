using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Files;

/// <summary>The little that is read of a qcow2 file without QEMU: what it stands on.</summary>
public static class Qcow2Header
{
    // Offsets from QEMU's docs/interop/qcow2.txt: magic, version, backing file offset (8), backing file size (16).
    // "QFI" and 0xfb.
    private const uint Magic = 0x514649fb;
    private const int HeadLength = 20;
    private const int MaxBackingLength = 1023;

    /// <summary>Whether a file that begins so is a qcow2 image, as far as its first four bytes say.</summary>
    public static bool Begins(ReadOnlySpan<byte> start) => BinaryPrimitives.TryReadUInt32BigEndian(start, out var magic) && magic == Magic;

    /// <summary>The file that <paramref name="path"/> stands on as its header names it (relative to its own directory, unless absolute), or
    /// null for a file that stands on none, is not qcow2 or cannot be read.</summary>
    public static string? ReadBackingFile(string path)
    {
        try
        {
            // Without "non-blocking" a pipe in a file's place would hold the agent up.
            using var handle = new SafeFileHandle(FileCalls.Open(path, FileCalls.ReadOnly | FileCalls.NonBlocking | FileCalls.CloseOnExec), ownsHandle: true);
            if (handle.IsInvalid || !FileCalls.IsRegular((int)handle.DangerousGetHandle()))
                return null;
            using var file = new FileStream(handle, FileAccess.Read);
            Span<byte> head = stackalloc byte[HeadLength];
            if (file.ReadAtLeast(head, HeadLength, throwOnEndOfStream: false) < HeadLength || !Begins(head))
                return null;
            var offset = BinaryPrimitives.ReadInt64BigEndian(head[8..]);
            var length = BinaryPrimitives.ReadInt32BigEndian(head[16..]);
            if (offset <= 0 || offset >= file.Length || length is <= 0 or > MaxBackingLength)
                return null;
            var name = new byte[length];
            file.Seek(offset, SeekOrigin.Begin);
            file.ReadExactly(name);
            return Encoding.UTF8.GetString(name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The absolute path of what <paramref name="path"/> stands on, or null.</summary>
    public static string? ResolveBackingFile(string path) =>
        ReadBackingFile(path) is { } backing ? Path.GetFullPath(backing, Path.GetDirectoryName(path)!) : null;
}
