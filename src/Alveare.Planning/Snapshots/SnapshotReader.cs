using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Alveare.Model.Faults;

namespace Alveare.Planning.Snapshots;

/// <summary>Reads a snapshot file.</summary>
/// <remarks>Token by token and without reflection: a what-if is a command, and most of what a deserializer costs is its start. Members that
/// it does not know are skipped, so that newer files can be read.</remarks>
public static class SnapshotReader
{
    /// <param name="file">What to call the file in the sentence of a fault.</param>
    /// <exception cref="FaultException"><see cref="FileCorrupt"/>: no JSON, not of this form, or what it says cannot be.</exception>
    public static ClusterSnapshot Read(ReadOnlySpan<byte> json, string file)
    {
        var snapshot = Parse(json, file);
        var problems = SnapshotChecks.ProblemsOf(snapshot);
        return problems.IsEmpty ? snapshot : throw Corrupt(file, Sentence(problems));
    }

    private static ClusterSnapshot Parse(ReadOnlySpan<byte> json, string file)
    {
        if (json.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            json = json[3..];
        if (json.IsEmpty)
            throw Corrupt(file, "it is empty, expected a JSON object with hosts, vms and rules");
        try
        {
            return new SnapshotFields(json).Cluster();
        }
        catch (JsonException e)
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}");
            throw new FaultException(new FileCorrupt(file, $"it is no JSON at {place}"), e);
        }
        catch (InvalidOperationException e)
        {
            // What the reader of JSON says of a text that it cannot decode.
            throw new FaultException(new FileCorrupt(file, "a text in it is no UTF-8, or ends in half a character"), e);
        }
        catch (FormatException e)
        {
            throw new FaultException(new FileCorrupt(file, e.Message), e);
        }
    }

    private static string Sentence(ImmutableArray<string> problems)
    {
        const int Shown = 5;
        var more = problems.Length > Shown ? $"; and {problems.Length - Shown} more" : "";
        return string.Join("; ", problems.Take(Shown)) + more;
    }

    private static FaultException Corrupt(string file, string reason) => new(new FileCorrupt(file, reason));
}
