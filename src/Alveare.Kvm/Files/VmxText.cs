using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Alveare.Kvm.Files;

/// <summary>One <c>key = "value"</c> of a <c>.vmx</c>; the value is decoded.</summary>
/// <param name="Line">From 1.</param>
public sealed record VmxEntry(int Line, string Key, string Value);

/// <summary>Why a text is not a <c>.vmx</c>: a sentence without a full stop that names the line and what was expected.</summary>
public sealed class VmxFormatException(string reason) : Exception(reason);

/// <summary>The text of a <c>.vmx</c>: lines of <c>key = "value"</c>, keys without regard to case, comments behind '#'.</summary>
/// <remarks>Inside a value <c>|XX</c> stands for the character with that hexadecimal code, so that a quote is <c>|22</c> and a bar
/// <c>|7C</c>. A text of ours ends with <see cref="EndKey"/>, so that one whose end was lost is not taken for whole.</remarks>
public sealed class VmxText
{
    public const int MaxBytes = 64 * 1024;

    /// <summary>Only texts that Alveare wrote have it, as one of their first lines.</summary>
    public const string FormatKey = "alveare.format";

    /// <summary>The last line of a text that has <see cref="FormatKey"/>.</summary>
    public const string EndKey = "alveare.end";

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Dictionary<string, VmxEntry> byKey;

    private VmxText(ImmutableArray<VmxEntry> entries, ImmutableArray<string> comments)
    {
        Entries = entries;
        Comments = comments;
        byKey = entries.ToDictionary(e => e.Key, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>In the order of the text.</summary>
    public ImmutableArray<VmxEntry> Entries { get; }

    /// <summary>The comment lines, each with its '#'.</summary>
    public ImmutableArray<string> Comments { get; }

    public VmxEntry? Find(string key) => byKey.GetValueOrDefault(key);

    /// <summary>Reads a text; throws <see cref="VmxFormatException"/> for one that is binary, cut off or broken.</summary>
    public static VmxText Parse(ReadOnlySpan<byte> content)
    {
        var lines = Lines(Decode(content));
        var entries = ImmutableArray.CreateBuilder<VmxEntry>(lines.Length);
        var comments = ImmutableArray.CreateBuilder<string>();
        var seen = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i].Trim();
            if (line.StartsWith('#'))
                comments.Add(line);
            if (line.Length == 0 || line[0] == '#')
                continue;
            var entry = ParseEntry(i + 1, line);
            if (!seen.TryAdd(entry.Key, entry.Line))
                throw new VmxFormatException($"line {entry.Line}: the key '{entry.Key}' is there twice, first in line {seen[entry.Key]}");
            entries.Add(entry);
        }

        var text = new VmxText(entries.ToImmutable(), comments.ToImmutable());
        text.RequireWhole();
        return text;
    }

    /// <summary>Writes comments and entries, then the last line.</summary>
    public static byte[] Write(IEnumerable<string> comments, IEnumerable<(string Key, string Value)> entries)
    {
        var text = new StringBuilder();
        foreach (var comment in comments)
            text.Append(comment).Append('\n');
        foreach (var (key, value) in entries.Append((EndKey, "TRUE")))
            Encode(text.Append(key).Append(" = \""), value).Append("\"\n");
        return Strict.GetBytes(text.ToString());
    }

    private static string Decode(ReadOnlySpan<byte> content)
    {
        if (content.Length > MaxBytes)
            throw new VmxFormatException($"it is too long, expected at most {MaxBytes} bytes");
        if (content.StartsWith((ReadOnlySpan<byte>)[0xef, 0xbb, 0xbf]))
            content = content[3..];
        for (var i = 0; i < content.Length; i++)
        {
            if ((content[i] < 0x20 && content[i] is not ((byte)'\t' or (byte)'\n' or (byte)'\r')) || content[i] == 0x7f)
                throw new VmxFormatException($"it is binary: byte {i} is 0x{content[i]:x2}, expected text");
        }

        try
        {
            return Strict.GetString(content);
        }
        catch (DecoderFallbackException e)
        {
            throw new VmxFormatException($"it is not UTF-8: byte {e.Index} cannot be read, expected text in UTF-8");
        }
    }

    private static string[] Lines(string text)
    {
        if (text.Length == 0)
            throw new VmxFormatException("it is empty, expected lines of key = \"value\"");
        var lines = text.Split('\n');
        if (lines[^1].Length > 0)
            throw new VmxFormatException($"it is cut off: line {lines.Length} has no end");
        return lines[..^1];
    }

    private static VmxEntry ParseEntry(int number, string line)
    {
        var equals = line.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
            throw new VmxFormatException($"line {number}: {Quote(line)} has no '=', expected key = \"value\"");
        var key = line[..equals].TrimEnd();
        if (key.Length is 0 or > 200 || !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or ':' or '_' or '-'))
            throw new VmxFormatException($"line {number}: {Quote(key)} is not a key, expected letters, digits and . : _ -");
        var value = line[(equals + 1)..].TrimStart();
        if (value.Length == 0 || value[0] != '"')
            throw new VmxFormatException($"line {number}: the value of '{key}' is {Quote(value)}, expected it in quotes");
        var close = value.IndexOf('"', 1);
        if (close < 0)
            throw new VmxFormatException($"line {number}: the value of '{key}' has no closing quote");
        if (close != value.Length - 1)
            throw new VmxFormatException($"line {number}: {Quote(value[(close + 1)..])} follows the value of '{key}', expected the end of the line");
        return new VmxEntry(number, key, Unescape(number, key, value[1..close]));
    }

    private static string Unescape(int line, string key, string value)
    {
        if (value.Contains('\r', StringComparison.Ordinal))
            throw new VmxFormatException($"line {line}: the value of '{key}' has a carriage return inside, expected |0D for it");
        if (!value.Contains('|', StringComparison.Ordinal))
            return value;
        var text = new StringBuilder(value.Length);
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '|')
            {
                text.Append(value[i]);
                continue;
            }

            var digits = value.AsSpan(i + 1, Math.Min(2, value.Length - i - 1));
            if (digits.Length != 2 || !byte.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) || code > 0x7f)
                throw new VmxFormatException($"line {line}: the value of '{key}' has the escape {Quote($"|{digits}")}, expected |00 to |7F");
            text.Append((char)code);
            i += 2;
        }

        return text.ToString();
    }

    private static StringBuilder Encode(StringBuilder text, string value)
    {
        foreach (var c in value)
        {
            if (c is '"' or '|' || c < 0x20 || c == 0x7f)
                text.Append('|').Append(((int)c).ToString("X2", CultureInfo.InvariantCulture));
            else
                text.Append(c);
        }

        return text;
    }

    private void RequireWhole()
    {
        if (Find(FormatKey) is not null && Find(EndKey) is null)
            throw new VmxFormatException($"it is cut off: the last line, {EndKey} = \"TRUE\", is missing");
        if (Find(EndKey) is { } end && end != Entries[^1])
            throw new VmxFormatException($"line {Entries[^1].Line}: '{Entries[^1].Key}' follows {EndKey}, expected that to be the last line");
    }

    private static string Quote(string text) => text.Length <= 40 ? $"'{text}'" : $"'{text[..37]}...'";
}
