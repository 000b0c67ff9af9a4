using System.CommandLine;

namespace Alveare.Cli.Running;

/// <summary>A password that is never on the command line, where every user of the machine could read it: it comes from a file, from standard
/// input or from a variable.</summary>
public sealed class SecretOption(string name, string variable)
{
    public Option<string?> Option { get; } = Takes.Text(name, $"File whose first line is the password, - for standard input [{variable}]", "FILE");

    public async Task<string> ReadAsync(Run run) =>
        await FindAsync(run) ?? throw new UsageException($"Which password? Give {name}, or set {variable}.");

    /// <summary>The password, or null when none is given.</summary>
    public async Task<string?> FindAsync(Run run)
    {
        if (run.Value(Option) is not { } file)
            return run.Environment.Given(variable);
        try
        {
            using var reader = file == "-" ? new StreamReader(run.Environment.OpenInput()) : File.OpenText(file);
            return await reader.ReadLineAsync(run.Interrupted) ?? throw new UsageException($"{name}: '{file}' is empty, expected a password.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UsageException($"{name}: {e.Message}");
        }
    }
}
