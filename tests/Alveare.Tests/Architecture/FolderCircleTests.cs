using System.Text.RegularExpressions;
using Xunit;

namespace Alveare.Tests.Architecture;

/// <summary>The folders (namespaces) of a project use each other without circles, so each can be read after those it uses.</summary>
public sealed partial class FolderCircleTests
{
    public static TheoryData<string> Projects => [.. Checkout.Projects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void FoldersUseEachOtherWithoutCircles(string project)
    {
        var uses = UsesOf(Checkout.FilesOf(project).Select(File.ReadAllText));
        Assert.Null(CircleIn(uses));
    }

    [Fact]
    public void ACircleIsFound()
    {
        var uses = UsesOf(
        [
            "namespace P;\npublic sealed class Top(A.One one);",
            "using P.B;\nnamespace P.A;\npublic sealed class One(Two two);",
            "namespace P.B;\npublic sealed class Two(Top top);",
        ]);
        Assert.Equal("P.A > P.B > P > P.A", CircleIn(uses));
    }

    /// <summary>Which namespaces each namespace uses: by a using line, by a qualified name, or, for one it lies in, by a bare type name.</summary>
    private static SortedDictionary<string, SortedSet<string>> UsesOf(IEnumerable<string> sources)
    {
        var files = sources.Select(s => Quoted().Replace(Comment().Replace(s, ""), "\"\""))
            .Select(s => (Text: s, Space: Space().Match(s).Groups[1].Value))
            .Where(f => f.Space.Length > 0)
            .ToList();
        var types = files.SelectMany(f => Declaration().Matches(f.Text).Select(m => (Name: m.Groups[1].Value, f.Space)))
            .Distinct()
            .ToLookup(t => t.Name, t => t.Space);
        var uses = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        foreach (var space in files.Select(f => f.Space))
            uses.TryAdd(space, new SortedSet<string>(StringComparer.Ordinal));
        foreach (var (text, space) in files)
        {
            var words = Word().Matches(text).Select(m => m.Value).ToHashSet(StringComparer.Ordinal);
            foreach (var other in uses.Keys.Where(o => o != space))
            {
                var isUsed = Using().Matches(text).Any(m => m.Groups[1].Value == other)
                    || words.Any(w => types[w].Count() == 1 && types[w].First() == other
                        && (space.StartsWith(other + '.', StringComparison.Ordinal) || text.Contains($"{other.Split('.')[^1]}.{w}", StringComparison.Ordinal)));
                if (isUsed)
                    uses[space].Add(other);
            }
        }

        return uses;
    }

    private static string? CircleIn(SortedDictionary<string, SortedSet<string>> uses)
    {
        var done = new HashSet<string>();
        return uses.Keys.OrderByDescending(k => k.Length).ThenBy(k => k, StringComparer.Ordinal).Select(k => Walk(k, [])).FirstOrDefault(c => c is not null);

        string? Walk(string space, List<string> path)
        {
            if (path.IndexOf(space) is var start and >= 0)
                return string.Join(" > ", path.Skip(start).Append(space));
            if (done.Contains(space))
                return null;
            path.Add(space);
            var circle = uses[space].Select(next => Walk(next, path)).FirstOrDefault(c => c is not null);
            path.RemoveAt(path.Count - 1);
            done.Add(space);
            return circle;
        }
    }

    [GeneratedRegex("//[^\n]*")]
    private static partial Regex Comment();

    [GeneratedRegex("\"(?:\\\\.|[^\"\\\\\n])*\"")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Space();

    [GeneratedRegex(@"^using (?:static )?([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"\b(?:class|record struct|record|struct|interface|enum)\s+(\w+)")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();
}
