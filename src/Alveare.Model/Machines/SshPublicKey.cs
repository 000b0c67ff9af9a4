using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Text;

namespace Alveare.Model.Machines;

/// <summary>A public key as OpenSSH writes it into one line: type, base64, and a comment if there is one (sshd(8), AUTHORIZED_KEYS).</summary>
public static class SshPublicKey
{
    private static readonly FrozenSet<string> Types = new[]
    {
        "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>What the line should have been, or null when it is a public key.</summary>
    public static string? WhyIllegal(string line)
    {
        if (line.Any(char.IsControl))
            return "one line without control characters";
        if (line.Contains("PRIVATE KEY", StringComparison.Ordinal))
            return "the public key (the file that ends in .pub): a private key is nobody's but its owner's";
        var parts = line.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length < 2 || !Types.Contains(parts[0]))
            return $"an OpenSSH public key: a type ({string.Join(", ", Types.Order(StringComparer.Ordinal))}), its base64, and a comment if you like";
        var blob = new byte[parts[1].Length];
        return Convert.TryFromBase64String(parts[1], blob, out var length) && TypeIn(blob.AsSpan(0, length)) == parts[0]
            ? null
            : $"a whole {parts[0]} key: its base64 is cut short or that of another type";
    }

    // RFC 4253 section 6.6: the blob begins with its type, length first.
    private static string? TypeIn(ReadOnlySpan<byte> blob)
    {
        if (blob.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(blob) is var length && (length > 64 || blob.Length <= 4 + length))
            return null;
        return Encoding.ASCII.GetString(blob.Slice(4, (int)length));
    }
}
