using System.Text.Json;
using Alveare.Cli.Running;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary>What a command says of the tasks it submitted when somebody or something comes between: Ctrl-C, a connection that drops, a refusal.</summary>
public sealed class FollowingTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CtrlCStopsTheWaitingAndSaysThatTheTaskRunsOn()
    {
        using var interrupt = new CancellationTokenSource();
        await using var center = await OpenAsync(asked => Interrupted(asked, "GET /api/tasks/", interrupt));
        var run = await CommandRun.OfAsync(center.Variables, interrupt.Token, "vm", "migrate", "web01");
        Assert.Equal(ExitCode.Interrupted, run.Code);
        Assert.Contains("runs on as task-7; 'alveare task wait task-7'", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(center.Asked, a => a.Contains(":cancel", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GET /api/tasks/")]
    [InlineData("POST /api/vms/web01:migrate")]
    public async Task CtrlCCancelsTheTaskWhenThatWasAskedFor(string during)
    {
        using var interrupt = new CancellationTokenSource();
        await using var center = await OpenAsync(asked => Interrupted(asked, during, interrupt));
        var run = await CommandRun.OfAsync(center.Variables, interrupt.Token, "vm", "migrate", "web01", "--cancel-on-interrupt");
        Assert.Equal(ExitCode.Interrupted, run.Code);
        Assert.Contains("was asked to stop", run.Error, StringComparison.Ordinal);
        Assert.Contains("POST /api/tasks/task-7:cancel", center.Asked);
    }

    [Fact]
    public async Task NoWaitPrintsTheTaskAndGoes()
    {
        await using var center = await OpenAsync(_ => (202, ScriptedCenter.Task("running")));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "migrate", "web01", "--no-wait");
        Assert.Equal((ExitCode.Done, "vm.migrate web01: running (task-7)\n"), (run.Code, run.Out));
        Assert.DoesNotContain(center.Asked, a => a.StartsWith("GET /api/tasks", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AConnectionThatDropsLeavesTheTaskWithItsId()
    {
        await using var center = await OpenAsync(asked => (asked.StartsWith("GET /api/tasks", StringComparison.Ordinal) ? ScriptedCenter.Cut : 202, ScriptedCenter.Task("running")));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "migrate", "web01", "--cancel-on-interrupt");
        Assert.Equal((ExitCode.NotReachable, ""), (run.Code, run.Out));
        Assert.Contains("runs on as task-7; 'alveare task wait task-7'", run.Error, StringComparison.Ordinal);
        Assert.Contains("cannot be reached", run.Error, StringComparison.Ordinal);
        var json = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "migrate", "web01", "--json");
        Assert.Equal("task-7", JsonDocument.Parse(json.Out).RootElement.GetProperty("id").GetString());
    }

    [Fact]
    public async Task ASubmissionThatBreaksOffHidesNoOther()
    {
        await using var center = await OpenAsync(asked => asked.Contains("/lost:", StringComparison.Ordinal) ? (ScriptedCenter.Cut, "{") : Ended(asked));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "power-on", "lost", "a", "b");
        Assert.Equal((ExitCode.NotReachable, "vm.migrate a: succeeded\nvm.migrate b: succeeded\n"), (run.Code, run.Out));
        Assert.Contains("cannot be reached", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a", JsonValueKind.Object)]
    [InlineData("a b", JsonValueKind.Array)]
    [InlineData("a refused", JsonValueKind.Array)]
    [InlineData("refused refused-too", JsonValueKind.Array)]
    [InlineData("refused", JsonValueKind.Undefined)]
    public async Task JsonIsAListWhereSeveralWereNamed(string names, JsonValueKind expected)
    {
        await using var center = await OpenAsync(asked => asked.Contains("/refused", StringComparison.Ordinal)
            ? (409, """{"type":"about:blank","title":"Conflict","status":409,"detail":"It is on.","code":"AlreadyOn"}""")
            : Ended(asked));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, ["--json", "vm", "power-on", .. names.Split(' ')]);
        Assert.Equal(expected, run.Out.Length == 0 ? JsonValueKind.Undefined : JsonDocument.Parse(run.Out).RootElement.ValueKind);
        Assert.Equal(names.Contains("refused", StringComparison.Ordinal) ? ExitCode.Fault : ExitCode.Done, run.Code);
    }

    // Every name is its object's id.
    private static Task<ScriptedCenter> OpenAsync(Func<string, (int Status, string Json)> answer) => ScriptedCenter.OpenAsync(
        answer,
        query =>
        {
            var name = query.Split('&', '?').First(p => p.StartsWith("name=", StringComparison.Ordinal))["name=".Length..];
            return $$$"""{"path":"/north/{{{name}}}","object":{"id":"{{{name}}}","kind":"vm","name":"{{{name}}}"}}""";
        });

    private static (int Status, string Json) Interrupted(string asked, string during, CancellationTokenSource interrupt)
    {
        if (asked.StartsWith(during, StringComparison.Ordinal))
            interrupt.Cancel();
        return (202, ScriptedCenter.Task("running"));
    }

    private static (int Status, string Json) Ended(string asked)
    {
        var name = asked.Split('/', ':')[^2];
        return (200, ScriptedCenter.Task("succeeded", id: $"task-{name}", name: name));
    }
}
