using System.Buffers.Binary;
using System.Text;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Files;

/// <summary>What an overlay stands on, as its header says.</summary>
/// <param name="Name">Relative to the overlay's directory, as far as the header keeps to that.</param>
/// <param name="Format">Null where the header does not say: then QEMU guesses by the content, which a guest or somebody else may have written.</param>
public sealed record BackingFile(string Name, DiskFormat? Format)
{
    private const int HeaderOfVersion2 = 72;
    private const int LeastHeaderOfVersion3 = 104;
    private const int MaxName = 1023;
    private const uint FormatExtension = 0xe2792aca;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads it as QEMU 7.2 does (block/qcow2.c, qcow2_do_open and qcow2_read_extensions); null for an image that stands alone.</summary>
    /// <param name="header">The first 104 bytes, of version 2 or 3 and with a sound size of clusters.</param>
    internal static BackingFile? Read(string path, FileStream file, ReadOnlySpan<byte> header)
    {
        var at = BinaryPrimitives.ReadUInt64BigEndian(header[8..]);
        if (at == 0)
            return null;
        var size = BinaryPrimitives.ReadUInt32BigEndian(header[16..]);
        var cluster = 1UL << (int)BinaryPrimitives.ReadUInt32BigEndian(header[20..]);
        var start = BinaryPrimitives.ReadUInt32BigEndian(header[4..]) == 2 ? HeaderOfVersion2 : BinaryPrimitives.ReadUInt32BigEndian(header[100..]);
        if (size > MaxName || at > cluster || at + size > (ulong)file.Length)
            throw Corrupt(path, "the name of its backing file lies outside the file");
        if (start != HeaderOfVersion2 && (start < LeastHeaderOfVersion3 || start > at))
            throw Corrupt(path, $"its header has {start} bytes, expected {LeastHeaderOfVersion3} or more, before the name of its backing file");
        var content = new byte[at + size];
        file.Seek(0, SeekOrigin.Begin);
        file.ReadExactly(content);
        return new BackingFile(ReadName(path, content.AsSpan((int)at)), ReadFormat(path, content.AsSpan((int)start..(int)at)));
    }

    private static string ReadName(string path, ReadOnlySpan<byte> name)
    {
        try
        {
            // For QEMU it ends at a zero.
            return !name.Contains((byte)0) ? Strict.GetString(name) : throw Corrupt(path, "the name of its backing file has a zero in it");
        }
        catch (DecoderFallbackException)
        {
            throw Corrupt(path, "the name of its backing file is not UTF-8");
        }
    }

    /// <summary>Extensions are a type, a length, and as many bytes, filled up to a multiple of 8; the last one of a type counts.</summary>
    private static DiskFormat? ReadFormat(string path, ReadOnlySpan<byte> extensions)
    {
        var format = "";
        while (extensions.Length >= 8 && BinaryPrimitives.ReadUInt32BigEndian(extensions) is not 0 and var type)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(extensions[4..]);
            extensions = extensions[8..];
            if (length > extensions.Length)
                throw Corrupt(path, "an extension of its header is longer than the header");
            if (type == FormatExtension)
                format = Encoding.UTF8.GetString(extensions[..(int)length]);
            extensions = extensions[(int)Math.Min((length + 7) & ~7U, (uint)extensions.Length)..];
        }

        return format switch
        {
            "" => null,
            "raw" => DiskFormat.Raw,
            "qcow2" => DiskFormat.Qcow2,
            _ => throw Corrupt(path, "the format of its backing file is one that is not used here, expected qcow2 or raw"),
        };
    }

    private static FaultException Corrupt(string path, string reason) => new(new FileCorrupt(path, reason));
}
