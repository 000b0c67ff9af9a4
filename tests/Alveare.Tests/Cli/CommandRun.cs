using Alveare.Cli;
using Alveare.Cli.Running;

namespace Alveare.Tests.Cli;

/// <summary>One run of a command line in this process: what it printed and its exit code.</summary>
internal sealed record CommandRun(int Code, string Out, string Error)
{
    /// <summary>Names the directory where tokens are kept; without it every run logs in.</summary>
    public const string CacheVariable = "cache";

    public static async Task<CommandRun> OfAsync(
        IReadOnlyDictionary<string, string> variables, CancellationToken interrupted, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var environment = new CliEnvironment(output, error, variables.GetValueOrDefault)
        {
            CacheDirectory = variables.GetValueOrDefault(CacheVariable),
            CompletionTime = Patience.Longest,
            ClosingTime = Patience.Longest,
        };
        var code = await CommandLineProgram.RunAsync(arguments, environment, interrupted).WaitAsync(Patience.Longest, CancellationToken.None);
        return new CommandRun(code, output.ToString(), error.ToString());
    }
}
