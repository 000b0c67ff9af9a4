using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Statistics;

/// <summary>A small file of /proc or a control group that is kept open and read again and again: a read is one system call.</summary>
internal sealed class KernelFile(string path) : IDisposable
{
    private readonly SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>Opens a file that not every kernel has; null without it.</summary>
    public static KernelFile? TryOpen(string path)
    {
        try
        {
            return new KernelFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The number that stands as the given word (from 0) of the first line, or 0.</summary>
    /// <exception cref="IOException">The process or group that the file is about is gone.</exception>
    public long ReadNumber(int word = 0) => NumberAt(Read(stackalloc byte[512]), word);

    /// <summary>The first two numbers of the first line, in one read.</summary>
    /// <exception cref="IOException">The process or group that the file is about is gone.</exception>
    public (long First, long Second) ReadNumbers()
    {
        ReadOnlySpan<byte> text = Read(stackalloc byte[512]);
        return (NumberAt(text, 0), NumberAt(text, 1));
    }

    /// <summary>The number after a key that begins a line, or 0.</summary>
    public long ReadNumber(string key)
    {
        var text = Read(stackalloc byte[1024]);
        foreach (var range in text.Split((byte)'\n'))
        {
            var line = text[range];
            var space = line.IndexOf((byte)' ');
            if (space > 0 && System.Text.Ascii.Equals(line[..space], key))
                return NumberAt(line, 1);
        }

        return 0;
    }

    public void Dispose() => handle.Dispose();

    private Span<byte> Read(Span<byte> buffer) => buffer[..RandomAccess.Read(handle, buffer, 0)];

    private static long NumberAt(ReadOnlySpan<byte> line, int word)
    {
        foreach (var range in line.SplitAny((byte)' ', (byte)'\n'))
        {
            if (word-- == 0)
                return Utf8Parser.TryParse(line[range], out long number, out _) ? number : 0;
        }

        return 0;
    }
}
