using System.CommandLine;
using System.Text.RegularExpressions;
using Alveare.Cli;
using Alveare.Cli.Running;

namespace Alveare.Tests.Architecture;

/// <summary>A line for a terminal as a document shows it, held against the programs' own tables of words and options.</summary>
internal static partial class DocumentedCommand
{
    private static readonly RootCommand Root = CommandLineProgram.Create(new CliEnvironment(TextWriter.Null, TextWriter.Null, _ => null));

    private static readonly Dictionary<string, HashSet<string>> OwnWords = ReadOwnWords();

    /// <summary>What is wrong with the commands of a line; nothing for one that would be taken as it stands.</summary>
    /// <param name="isWhole">The line is there to be pasted: what is required must be in it, and values must be what they should.</param>
    public static IEnumerable<string> ProblemsOf(string line, bool isWhole)
    {
        var plain = Comment().Replace(line, "");
        if (Bare().IsMatch(plain))
            yield return $"'{plain.Trim()}': nothing puts alveare on the PATH; expected ./alveare";
        foreach (var problem in Ours().Matches(plain).SelectMany(m => ProblemsOfWords(WordsOf(m.Groups[1].Value), isWhole && !HasGaps(m.Value))))
            yield return $"'{plain.Trim()}': {problem}";
        foreach (var problem in Program().Matches(plain).SelectMany(m => ProblemsOfProgram(m.Groups[1].Value, WordsOf(m.Groups[2].Value))))
            yield return $"'{plain.Trim()}': {problem}";
    }

    /// <summary>What is wrong with words of the command line that stand without the script's name, such as <c>vm power-on --paused</c>.</summary>
    public static IEnumerable<string> ProblemsOfMention(string quoted) =>
        Mention().Match(quoted) is { Success: true } m && Root.Subcommands.Any(c => c.Name == m.Groups[1].Value && c.Subcommands.Count > 0)
            ? ProblemsOfWords(WordsOf(quoted), isWhole: false).Select(p => $"'{quoted}': {p}")
            : [];

    private static IEnumerable<string> ProblemsOfWords(string[] words, bool isWhole)
    {
        if (words is [])
            return [];
        if (OwnWords.TryGetValue(words[0], out var known))
            return words.Skip(1).Where(w => !IsValue(w) && !known.Contains(w)).Select(w => $"'{words[0]}' has no '{w}'");
        var unknown = Unknown(words).ToList();
        return unknown.Count > 0 || !isWhole ? unknown : Root.Parse(words).Errors.Select(e => e.Message);
    }

    private static IEnumerable<string> Unknown(string[] words)
    {
        Command command = Root;
        var options = new List<Option>(Root.Options);
        for (var i = 0; i < words.Length; i++)
        {
            var word = words[i];
            if (word is "--")
                yield break;
            if (word.StartsWith('-') && word.Length > 1)
            {
                var option = options.FirstOrDefault(o => o.Name == word.Split('=')[0] || o.Aliases.Contains(word));
                if (option is null)
                    yield return $"'{command.Name}' has no option '{word}'";
                else if (option.Arity.MinimumNumberOfValues > 0 && !word.Contains('='))
                    i++;
            }
            else if (command.Subcommands.Count > 0)
            {
                if (command.Subcommands.FirstOrDefault(c => c.Name == word || c.Aliases.Contains(word)) is not { } next)
                {
                    yield return $"'{command.Name}' has no '{word}'";
                    yield break;
                }

                options = [.. options.Where(o => o.Recursive), .. next.Options];
                command = next;
            }
        }
    }

    // A program's options are declared in its sources, and in those of what both programs share.
    private static IEnumerable<string> ProblemsOfProgram(string program, string[] words)
    {
        var sources = Checkout.FilesOf(program).Concat(Checkout.Files(Path.Combine(Checkout.Source, "Alveare.Host", "Running"), "*.cs"));
        var declared = string.Concat(sources.Select(File.ReadAllText));
        return words.Where(w => w.StartsWith("--", StringComparison.Ordinal) && !declared.Contains($"\"{w.Split('=')[0]}\"", StringComparison.Ordinal))
            .Select(w => $"Alveare.{program} has no option '{w}'");
    }

    // The script's usage: a command begins two columns in, and what it takes ends before a wide gap.
    private static Dictionary<string, HashSet<string>> ReadOwnWords()
    {
        var usage = File.ReadAllText(Path.Combine(Checkout.Root, "alveare")).Split("usage: ./alveare COMMAND")[1].Split("\nEOF\n")[0];
        var words = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal) { ["commands"] = [], ["help"] = [], ["--help"] = [] };
        foreach (var head in UsageHead().Matches(usage).Select(m => m.Groups[1].Value))
        {
            var parts = head.Split(['[', ']', '|', ' ', '.', ','], StringSplitOptions.RemoveEmptyEntries);
            if (Root.Subcommands.Any(c => c.Name == parts[0]))
                continue;
            if (!words.TryGetValue(parts[0], out var known))
                words[parts[0]] = known = new HashSet<string>(StringComparer.Ordinal);
            known.UnionWith(parts[1..]);
        }

        return words;
    }

    private static string[] WordsOf(string text) =>
        [.. Word().Matches(text).Select(m => m.Value.Replace("\"", "", StringComparison.Ordinal).Trim('[', ']')).Where(w => w is not ("" or "|" or "…" or "..."))];

    private static bool HasGaps(string text) => text.Contains('[') || text.Contains('…') || text.Contains("...", StringComparison.Ordinal);

    // A number, or a name in capitals that stands for something.
    private static bool IsValue(string word) => word.All(c => char.IsDigit(c) || char.IsUpper(c));

    [GeneratedRegex(@"\s#\s.*$")]
    private static partial Regex Comment();

    [GeneratedRegex(@"^\s*(?:\$ )?alveare [a-z]")]
    private static partial Regex Bare();

    // Where a command begins, to its end: of the line, of a substitution, or of a part of a pipe that is no choice in brackets.
    [GeneratedRegex(@"(?:^\s*(?:\$ )?|\(|&& |; )(?:[A-Z_]+=\S+ )*[\w./]*/alveare ((?:\[[^\]]*\]|[^)`;&|\[])*)")]
    private static partial Regex Ours();

    [GeneratedRegex(@"Alveare\.(Host|Center) ([^)`;&]*)")]
    private static partial Regex Program();

    [GeneratedRegex(@"^([a-z]+) [a-z][a-z-]*( |$)")]
    private static partial Regex Mention();

    [GeneratedRegex(@"""[^""]*""|[^\s""]+(?:""[^""]*"")?")]
    private static partial Regex Word();

    [GeneratedRegex(@"^  ([a-z](?:[^ \n]| (?! ))*)", RegexOptions.Multiline)]
    private static partial Regex UsageHead();
}
