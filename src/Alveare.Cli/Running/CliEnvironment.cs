namespace Alveare.Cli.Running;

/// <summary>What a command has around it: where text goes, the variables, and whether people watch.</summary>
public sealed record CliEnvironment(TextWriter Out, TextWriter Error, Func<string, string?> Variable)
{
    public TextReader In { get; init; } = TextReader.Null;

    /// <summary>Standard error is a terminal: progress can be drawn there.</summary>
    public bool IsWatched { get; init; }

    /// <summary>Where tokens are kept, or null to keep none.</summary>
    public string? CacheDirectory { get; init; }
}
