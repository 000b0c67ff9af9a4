using System.Text;

namespace Alveare.Kvm.Networks;

/// <summary>Walks the attributes of a message from the kernel; ends at the first one that does not fit.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> data)
{
    private const ushort TypeMask = 0x3fff;

    private ReadOnlySpan<byte> rest = data;

    public ushort Type { get; private set; }

    public ReadOnlySpan<byte> Value { get; private set; }

    public readonly int Number => BitConverter.ToInt32(Value);

    public readonly string Text => Encoding.UTF8.GetString(Value.TrimEnd((byte)0));

    public bool MoveNext()
    {
        if (rest.Length < 4)
            return false;
        int length = BitConverter.ToUInt16(rest);
        if (length < 4 || length > rest.Length)
            return false;
        Type = (ushort)(BitConverter.ToUInt16(rest[2..]) & TypeMask);
        Value = rest[4..length];
        rest = rest[Math.Min(NetlinkRequest.Align(length), rest.Length)..];
        return true;
    }

    /// <summary>The value of the first attribute of a type, or empty.</summary>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> data, ushort type)
    {
        var attributes = new NetlinkAttributes(data);
        while (attributes.MoveNext())
        {
            if (attributes.Type == type)
                return attributes.Value;
        }

        return [];
    }
}
