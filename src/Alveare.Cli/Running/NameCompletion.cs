using System.CommandLine.Completions;
using Alveare.Cli.Client;

namespace Alveare.Cli.Running;

/// <summary>Completes names of objects by asking the center, if it answers soon.</summary>
internal static class NameCompletion
{
    public static Func<CompletionContext, IEnumerable<CompletionItem>> Of(CliCommands commands, string kind) => context =>
    {
        try
        {
            return NamesAsync(commands, kind, context).WaitAsync(commands.CompletionTime).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is TimeoutException or RestFaultException or NotReachableException or UsageException or OperationCanceledException)
        {
            // A shell that completes has nowhere to show an error.
            return [];
        }
    };

    private static async Task<IEnumerable<CompletionItem>> NamesAsync(CliCommands commands, string kind, CompletionContext context)
    {
        using var patience = new CancellationTokenSource(commands.CompletionTime);
        using var run = commands.NewRun(context.ParseResult, patience.Token);
        var objects = await Task.WhenAll(kind.Split(',').Select(k => run.AskAsync(c => c.ListAsync(k == "template" ? "vms?template=true" : $"{k}s", patience.Token))));
        return [.. objects.SelectMany(o => o.Items).Select(o => o.GetProperty("name").GetString()!)
            .Where(n => n.StartsWith(context.WordToComplete, StringComparison.Ordinal))
            .Select(n => new CompletionItem(n))];
    }
}
