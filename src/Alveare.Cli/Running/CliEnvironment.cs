namespace Alveare.Cli.Running;

/// <summary>What a command has around it: where text goes, the variables, and whether people watch.</summary>
public sealed record CliEnvironment(TextWriter Out, TextWriter Error, Func<string, string?> Variable)
{
    /// <summary>A variable's value; null also for one that is empty, since that is how scripts leave one out.</summary>
    public string? Given(string variable) => Variable(variable) is { Length: > 0 } value ? value : null;

    /// <summary>Standard input and output as bytes; opened when a command needs them, since that costs every other one time.</summary>
    public Func<Stream> OpenInput { get; init; } = () => Stream.Null;

    public Func<Stream> OpenOutput { get; init; } = () => Stream.Null;

    /// <summary>Standard input is a terminal.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Standard error is a terminal: progress can be drawn there.</summary>
    public bool IsWatched { get; init; }

    /// <summary>Where tokens are kept, or null to keep none.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>How long a shell that completes a name waits for the center.</summary>
    public TimeSpan CompletionTime { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long the center is waited for after Ctrl-C, so that it can be said what becomes of what was begun.</summary>
    public TimeSpan ClosingTime { get; init; } = TimeSpan.FromSeconds(5);
}
