using System.Text.RegularExpressions;
using Xunit;

namespace Alveare.Tests.Architecture;

/// <summary>What the documents name exists: files and folders in back quotes, links, types, and the words and options of commands.</summary>
public sealed partial class DocumentNameTests
{
    // Names of other programs' things, and of things that exist on a running host only.
    private static readonly string[] Elsewhere = ["TimeProvider"];

    private static readonly Lazy<HashSet<string>> Words = new(() =>
    [
        .. Checkout.Files(Checkout.Root, "*.cs").Where(f => !f.Contains("/Architecture/", StringComparison.Ordinal))
            .SelectMany(f => Declared().Matches(File.ReadAllText(f)).Select(m => m.Value)),
    ]);

    private static readonly Lazy<List<string>> Sources = new(() => [.. Checkout.Files(Checkout.Root, "*.cs")]);

    public static TheoryData<string> Documents =>
        [.. Checkout.Files(Checkout.Root, "*.md").Select(f => Path.GetRelativePath(Checkout.Root, f)).Where(f => f != "CHANGELOG.md").Order()];

    [Theory]
    [MemberData(nameof(Documents))]
    public void WhatADocumentNamesExists(string document)
    {
        var text = File.ReadAllText(Path.Combine(Checkout.Root, document));
        var folder = Path.GetDirectoryName(Path.Combine(Checkout.Root, document))!;
        var quoted = Quoted().Matches(text).Select(m => m.Groups[1].Value).ToList();
        var missing = quoted.Where(q => IsPath(q) && !Exists(folder, q))
            .Concat(Link().Matches(text).Select(m => m.Groups[1].Value).Where(l => !l.Contains("://", StringComparison.Ordinal) && !Exists(folder, l)))
            .Concat(quoted.Where(q => TypeName().IsMatch(q) && !Words.Value.Contains(q) && !Elsewhere.Contains(q) && !Exists(folder, q)));
        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void WhatADocumentTellsToRunIsTaken(string document)
    {
        var text = File.ReadAllText(Path.Combine(Checkout.Root, document));
        var quoted = Quoted().Matches(text).Select(m => m.Groups[1].Value).ToList();
        var problems = Block().Matches(text).SelectMany(m => DocumentedCommand.ProblemsOf(m.Value, isWhole: true))
            .Concat(quoted.SelectMany(q => DocumentedCommand.ProblemsOf(q, isWhole: false)))
            .Concat(quoted.SelectMany(DocumentedCommand.ProblemsOfMention));
        Assert.Empty(problems);
    }

    [Theory]
    [InlineData("    ./alveare vm fly web01", "'vm' has no 'fly'")]
    [InlineData("    ./alveare vm list --sideways", "'list' has no option '--sideways'")]
    [InlineData("    $ ./alveare cluster set-balancing web --level four", "'four'")]
    [InlineData("    ./alveare plan balance --level 5", "--snapshot")]
    [InlineData("    ./alveare plan place --snapshot FILE [--altitude 3]", "'place' has no option '--altitude'")]
    [InlineData("    eval \"$(./alveare lab dance)\"", "'lab' has no 'dance'")]
    [InlineData("    ./alveare simulate --sed 5", "'simulate' has no '--sed'")]
    [InlineData("    /opt/alveare/Alveare.Host --uplinks eth1", "Alveare.Host has no option '--uplinks'")]
    [InlineData("    alveare vm list", "expected ./alveare")]
    public void ACommandThatWouldNotBeTakenIsFound(string line, string problem) =>
        Assert.Contains(problem, Assert.Single(DocumentedCommand.ProblemsOf(line, isWhole: true)), StringComparison.Ordinal);

    [Theory]
    [InlineData("    $ ./alveare vm create web01 --cpus 2 --memory 128M --disk 64M --on h1   # a comment")]
    [InlineData("    ./alveare --url https://10.0.0.2:8443 vm show -- -x")]
    [InlineData("    ./alveare simulate --seed N [--balancing | --power]")]
    public void ACommandThatIsTakenIsLeftAlone(string line) => Assert.Empty(DocumentedCommand.ProblemsOf(line, isWhole: true));

    // Only paths that begin in a folder of ours, or end in a source: others are on a host or in a datastore.
    private static bool IsPath(string quoted) => Ours().IsMatch(quoted);

    private static bool Exists(string folder, string path)
    {
        var plain = path.TrimEnd('/');
        return new[] { folder, Checkout.Root, Checkout.Source }.Select(d => Path.Combine(d, plain)).Any(p => File.Exists(p) || Directory.Exists(p))
            || Sources.Value.Any(s => s.EndsWith('/' + plain, StringComparison.Ordinal) || s.EndsWith("Alveare." + plain, StringComparison.Ordinal))
            || Directory.Exists(Path.Combine(Checkout.Source, $"Alveare.{plain}"));
    }

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\]\(([^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^(?:(?:src|tests|docs|bench|lab|guest)/[\w./-]+|[\w/-]+\.cs)$")]
    private static partial Regex Ours();

    [GeneratedRegex(@"^[A-Z][a-z]+(?:[A-Z][a-z]+)+$")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^    .+$", RegexOptions.Multiline)]
    private static partial Regex Block();

    [GeneratedRegex(@"\b[A-Z]\w+\b")]
    private static partial Regex Declared();
}
