using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Alveare.Kvm.Networks;

/// <summary>One message to the kernel's rtnetlink: a header, a fixed part, and attributes that may hold attributes.</summary>
/// <remarks>Layout: include/uapi/linux/netlink.h and rtnetlink.h. Numbers are in the machine's byte order unless a method says
/// otherwise; everything is aligned to 4 bytes.</remarks>
internal sealed class NetlinkRequest
{
    public const ushort NewLink = 16;
    public const ushort DeleteLink = 17;
    public const ushort GetLink = 18;
    public const ushort SetLink = 19;
    public const ushort GetStats = 94;

    public const ushort FlagAck = 0x4;
    public const ushort FlagDump = 0x300;

    // Create, and fail if it is there already.
    public const ushort FlagsCreate = 0x600;

    private const ushort FlagRequest = 0x1;
    private const ushort Nested = 0x8000;
    private const int HeaderLength = 16;

    private byte[] buffer = new byte[512];
    private int length = HeaderLength;

    public NetlinkRequest(ushort type, ushort flags)
    {
        BitConverter.TryWriteBytes(buffer.AsSpan(4), type);
        BitConverter.TryWriteBytes(buffer.AsSpan(6), (ushort)(FlagRequest | flags));
    }

    /// <summary>A message about one network device; its fixed part is <c>struct ifinfomsg</c>.</summary>
    /// <param name="index">The device, or 0 when an attribute names it.</param>
    /// <param name="flags">Values of the flags (IFF_…) that <paramref name="changed"/> selects.</param>
    public static NetlinkRequest Link(ushort type, ushort messageFlags, int index = 0, uint flags = 0, uint changed = 0)
    {
        var request = new NetlinkRequest(type, messageFlags);
        request.Append(0u);
        request.Append((uint)index);
        request.Append(flags);
        request.Append(changed);
        return request;
    }

    /// <summary>The finished message.</summary>
    public ReadOnlySpan<byte> Finish(uint sequence)
    {
        BitConverter.TryWriteBytes(buffer, length);
        BitConverter.TryWriteBytes(buffer.AsSpan(8), sequence);
        return buffer.AsSpan(0, length);
    }

    /// <summary>Appends to the fixed part.</summary>
    public void Append(uint value) => BitConverter.TryWriteBytes(Grow(4), value);

    public NetlinkRequest Add(ushort type, ReadOnlySpan<byte> value)
    {
        var attribute = Grow(4 + value.Length);
        BitConverter.TryWriteBytes(attribute, (ushort)(4 + value.Length));
        BitConverter.TryWriteBytes(attribute[2..], type);
        value.CopyTo(attribute[4..]);
        return this;
    }

    public NetlinkRequest Add(ushort type, byte value) => Add(type, [value]);

    public NetlinkRequest Add(ushort type, int value) => Add(type, MemoryMarshal.AsBytes([value]));

    public NetlinkRequest Add(ushort type, string value) => Add(type, Encoding.UTF8.GetBytes(value + "\0"));

    /// <summary>Adds a 16-bit number in network byte order.</summary>
    public NetlinkRequest AddBigEndian(ushort type, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        return Add(type, bytes);
    }

    /// <summary>Adds an attribute that holds the attributes which <paramref name="fill"/> adds.</summary>
    public NetlinkRequest AddNested(ushort type, Action<NetlinkRequest> fill)
    {
        var start = length;
        Add((ushort)(type | Nested), default(ReadOnlySpan<byte>));
        fill(this);
        BitConverter.TryWriteBytes(buffer.AsSpan(start), (ushort)(length - start));
        return this;
    }

    private Span<byte> Grow(int bytes)
    {
        var start = length;
        length += Align(bytes);
        if (length > buffer.Length)
            Array.Resize(ref buffer, length * 2);
        return buffer.AsSpan(start, bytes);
    }

    internal static int Align(int bytes) => (bytes + 3) & ~3;
}
