namespace Alveare.Model;

/// <summary>Where new identities come from: the program's dice, or a simulation's seed.</summary>
/// <param name="fill">Fills the span with random bytes.</param>
public sealed class IdSource(IdSource.Fill fill)
{
    public delegate void Fill(Span<byte> bytes);

    /// <summary>A random (version 4) UUID.</summary>
    public Guid NewUuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        fill(bytes);
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>A secret of <paramref name="bytes"/> random bytes in lower-case hexadecimal.</summary>
    public string NewSecret(int bytes = 32)
    {
        var secret = new byte[bytes];
        fill(secret);
        return Convert.ToHexStringLower(secret);
    }

    /// <summary>A MAC address in the locally administered range <c>52:54:00</c> that QEMU uses.</summary>
    public string NewMac()
    {
        Span<byte> tail = stackalloc byte[3];
        fill(tail);
        return $"52:54:00:{tail[0]:x2}:{tail[1]:x2}:{tail[2]:x2}";
    }
}
