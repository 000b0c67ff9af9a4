using System.Text.RegularExpressions;
using Alveare.Cli;
using Alveare.Cli.Running;
using Xunit;

namespace Alveare.Tests.Architecture;

/// <summary>What the documents name exists: files and folders in back quotes, links, types, and the words of <c>./alveare</c>.</summary>
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

    private static readonly Lazy<System.CommandLine.RootCommand> CommandLine =
        new(() => CommandLineProgram.Create(new CliEnvironment(TextWriter.Null, TextWriter.Null, _ => null)));

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
            .Concat(quoted.Where(q => TypeName().IsMatch(q) && !Words.Value.Contains(q) && !Elsewhere.Contains(q) && !Exists(folder, q)))
            .Concat(quoted.Select(q => Command().Match(q)).Where(m => m.Success && !IsCommand(m.Groups[1].Value)).Select(m => m.Value));
        Assert.Empty(missing);
    }

    // Only paths that begin in a folder of ours, or end in a source: others are on a host or in a datastore.
    private static bool IsPath(string quoted) => Ours().IsMatch(quoted);

    private static bool Exists(string folder, string path)
    {
        var plain = path.TrimEnd('/');
        return new[] { folder, Checkout.Root, Checkout.Source }.Select(d => Path.Combine(d, plain)).Any(p => File.Exists(p) || Directory.Exists(p))
            || Sources.Value.Any(s => s.EndsWith('/' + plain, StringComparison.Ordinal) || s.EndsWith("Alveare." + plain, StringComparison.Ordinal))
            || Directory.Exists(Path.Combine(Checkout.Source, $"Alveare.{plain}"));
    }

    private static bool IsCommand(string word)
    {
        var script = File.ReadAllText(Path.Combine(Checkout.Root, "alveare"));
        return Regex.IsMatch(script, $@"^  ([\w -]+\| )?{Regex.Escape(word)}( \|[\w| -]+)?\)", RegexOptions.Multiline)
            || CommandLine.Value.Subcommands.Any(c => c.Name == word)
            || Regex.IsMatch(script, $@"\b{Regex.Escape(word)}\b");
    }

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\]\(([^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^(?:(?:src|tests|docs|bench|lab|guest)/[\w./-]+|[\w/-]+\.cs)$")]
    private static partial Regex Ours();

    [GeneratedRegex(@"^[A-Z][a-z]+(?:[A-Z][a-z]+)+$")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^\./alveare ([a-z][\w-]*)")]
    private static partial Regex Command();

    [GeneratedRegex(@"\b[A-Z]\w+\b")]
    private static partial Regex Declared();
}
