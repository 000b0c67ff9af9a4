using System.CommandLine;
using System.Text.Json;
using Alveare.Cli;
using Alveare.Cli.Running;
using Alveare.Model.Operations;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary>What the command line says without any server, and of servers that say what is hard to bring about.</summary>
public sealed class CommandLineTests
{
    private static readonly Dictionary<string, string> NoCenter = new() { ["ALVEARE_URL"] = "http://127.0.0.1:1", ["ALVEARE_PASSWORD"] = "correct horse" };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Commands => [.. All("", Tree()).Select(c => c.Path)];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task EveryCommandExplainsItselfWithoutAServer(string command)
    {
        var run = await CommandRun.OfAsync(new Dictionary<string, string>(), Cancellation, [.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);
        Assert.Equal(ExitCode.Done, run.Code);
        Assert.Contains("Usage:", run.Out, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Theory]
    [InlineData("vm --help", "show <VM> ")]
    [InlineData("vm --help", "power-on <VM> ")]
    [InlineData("host --help", "show <HOST> ")]
    public async Task HelpNamesWhatACommandTakesAndNotWhatThereIs(string line, string expected)
    {
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, """{"items":[{"id":"vm-1","name":"web01"}]}"""));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, line.Split(' '));
        Assert.Contains(expected, run.Out, StringComparison.Ordinal);
        Assert.Empty(center.Asked);
    }

    [Fact]
    public void EveryOperationHasACommand() => Assert.Equal(
        OperationCatalogue.All.Select(o => o.Name),
        All("", Tree()).Select(c => c.Command).OfType<OperationCommand>().Select(c => c.Operation).Distinct().Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("vm", "Required command")]
    [InlineData("vm fly", "'fly'")]
    [InlineData("vm list --colour", "'--colour'")]
    [InlineData("vm show", "Required argument 'VM' missing")]
    [InlineData("vm create x --memory 512", "--memory is '512', expected a size with its unit")]
    [InlineData("vm create x --disk 1G --disk 7", "--disk is '7'")]
    [InlineData("vm create x --cpus two", "--cpus is 'two', expected a whole number")]
    [InlineData("vm create x --cpus 2147483648", "--cpus is '2147483648', expected a whole number of at most 2147483647")]
    [InlineData("vm set-resources x --disk-shares much", "--disk-shares is 'much', expected low, normal, high or a whole number")]
    [InlineData("vm set-resources x --nic-shares most", "--nic-shares is 'most', expected low, normal, high or a whole number")]
    [InlineData("vm set-resources x --out-limit 10", "--out-limit is '10', expected a size with its unit, such as 512M or 2G, or 0")]
    [InlineData("user create x --role boss", "--role is 'boss', expected administrator, operator or read-only")]
    [InlineData("vm power-on web01 --pasued", "'--pasued' is no option here")]
    [InlineData("vm show --all", "'--all' is no option here")]
    [InlineData("completion tcsh", "SHELL is 'tcsh', expected bash, zsh or fish")]
    [InlineData("host join 1.2.3.4", "--fingerprint")]
    [InlineData("vm set-resources web01 --disk 1 --nic 1", "nothing to change; expected an option such as --cpu-reservation")]
    [InlineData("vm reconfigure web01", "nothing to change")]
    [InlineData("cluster set-balancing web", "nothing to change")]
    [InlineData("cluster set-power-saving web", "nothing to change")]
    [InlineData("pool set shop --no-wait", "nothing to change")]
    [InlineData("rule set pair --cluster web", "nothing to change")]
    public async Task AWrongCommandLineIsUsage(string line, string expected)
    {
        var run = await CommandRun.OfAsync(NoCenter, Cancellation, line.Split(' '));
        Assert.Equal(ExitCode.Usage, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Contains("--help", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Out);
    }

    [Theory]
    [InlineData("alveare da", "datacenter")]
    [InlineData("alveare vm power-on --pa", "--paused")]
    [InlineData("alveare vm list --power ", "paused")]
    [InlineData("alveare user create x --role ", "read-only")]
    public async Task AShellIsToldWhatFits(string line, string expected)
    {
        var run = await CommandRun.OfAsync(NoCenter, Cancellation, $"[suggest:{line.Length}]", line);
        Assert.Equal((ExitCode.Done, ""), (run.Code, run.Error));
        Assert.Contains(expected, run.Out.Split('\n').Select(l => l.Trim()));
        Assert.DoesNotContain("/?", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutACenterTheExitCodeSaysSo()
    {
        var nowhere = await CommandRun.OfAsync(NoCenter, Cancellation, "vm", "list");
        Assert.Equal((ExitCode.NotReachable, true), (nowhere.Code, nowhere.Error.Contains("http://127.0.0.1:1 cannot be reached", StringComparison.Ordinal)));
        // No resolver knows a name below 'invalid' (RFC 6761), whether it says so or has nobody to ask.
        var unknown = await CommandRun.OfAsync(new Dictionary<string, string>(NoCenter) { ["ALVEARE_URL"] = "https://center.invalid:8443" }, Cancellation, "vm", "list");
        Assert.Equal(
            (ExitCode.NotReachable, "alveare: The center at https://center.invalid:8443 cannot be reached: the name 'center.invalid' cannot be resolved, expected one that DNS or /etc/hosts knows, or an IP address.\n"),
            (unknown.Code, unknown.Error));
        var unsaid = await CommandRun.OfAsync(new Dictionary<string, string>(), Cancellation, "vm", "list");
        Assert.Equal((ExitCode.NotReachable, true), (unsaid.Code, unsaid.Error.Contains("ALVEARE_URL", StringComparison.Ordinal)));
        var wrong = await CommandRun.OfAsync(new Dictionary<string, string> { ["ALVEARE_URL"] = "center" }, Cancellation, "vm", "list");
        Assert.Equal(ExitCode.Usage, wrong.Code);
        var noFile = await CommandRun.OfAsync(NoCenter, Cancellation, "vm", "list", "--ca", "");
        Assert.Equal((ExitCode.NotReachable, true), (noFile.Code, noFile.Error.Contains("The file '' of the trusted authority cannot be used", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("ALVEARE_CA", "http://127.0.0.1:1 cannot be reached")]
    [InlineData("ALVEARE_USER", "http://127.0.0.1:1 cannot be reached")]
    [InlineData("ALVEARE_URL", "Which center?")]
    [InlineData("ALVEARE_PASSWORD", "There is no session of 'admin': set ALVEARE_PASSWORD.")]
    public async Task AnEmptyVariableIsNone(string variable, string expected)
    {
        var run = await CommandRun.OfAsync(new Dictionary<string, string>(NoCenter) { [variable] = "" }, Cancellation, "vm", "list");
        Assert.Equal(ExitCode.NotReachable, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SomethingElseThanACenterIsNotTakenForOne()
    {
        await using var center = await ScriptedCenter.OpenAsync(_ => (500, "<html>"));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "list");
        Assert.Equal(ExitCode.NotReachable, run.Code);
        Assert.Contains("is it an Alveare center?", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFailedTaskIsAFaultAndItsReasonIsSaid()
    {
        await using var center = await ScriptedCenter.OpenAsync(asked => asked.StartsWith("GET /api/lookup", StringComparison.Ordinal)
            ? (200, """{"path":"/north/web01","object":{"id":"vm-1","kind":"vm","name":"web01"}}""")
            : (200, ScriptedCenter.Task("failed", ""","fault":{"fault":"MigrationFailed","message":"Virtual machine 'web01' was not migrated: the link broke."}""")));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "migrate", "web01");
        Assert.Equal(ExitCode.Fault, run.Code);
        Assert.Equal("vm.migrate web01: failed: Virtual machine 'web01' was not migrated: the link broke.\n", run.Error);
        Assert.Empty(run.Out);
    }

    [Theory]
    [InlineData("user update anna --role operator", "update-user")]
    [InlineData("user remove anna", "remove-user")]
    public async Task WhatEndsItsOwnSessionIsWaitedForByTheSubmission(string line, string verb)
    {
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, ScriptedCenter.Task("succeeded")));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, line.Split(' '));
        Assert.Equal(ExitCode.Done, run.Code);
        Assert.Equal(["POST /api/session", $"POST /api/site:{verb}?wait=60"], center.Asked);
    }

    [Fact]
    public async Task ALogWhoseConnectionDropsIsNotTakenForAnOutputThatCannotBeWritten()
    {
        await using var center = await ScriptedCenter.OpenAsync(asked => asked.EndsWith("/log", StringComparison.Ordinal)
            ? (ScriptedCenter.Cut, "started\n")
            : (200, """{"path":"/north/web01","object":{"id":"vm-1","kind":"vm","name":"web01"}}"""));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "log", "web01");
        Assert.Equal((ExitCode.NotReachable, "started\n"), (run.Code, run.Out));
        Assert.Contains("The center's answer broke off", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASnapshotWhoseConnectionDropsLeavesTheFileAsItWas()
    {
        await using var center = await ScriptedCenter.OpenAsync(asked => asked.EndsWith("/snapshot", StringComparison.Ordinal)
            ? (ScriptedCenter.Cut, "{\"name\":")
            : (200, """{"path":"/north/prod","object":{"id":"cluster-1","kind":"cluster","name":"prod"}}"""));
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "before", Cancellation);
            var run = await CommandRun.OfAsync(center.Variables, Cancellation, "cluster", "export-snapshot", "prod", file);
            Assert.Equal((ExitCode.NotReachable, "before"), (run.Code, await File.ReadAllTextAsync(file, Cancellation)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task EventsAreFollowedOverARestartOfTheCenter()
    {
        using var interrupt = new CancellationTokenSource();
        var streams = 0;
        await using var center = await ScriptedCenter.OpenAsync(_ =>
        {
            switch (++streams)
            {
                case 1:
                    return (200, "id: 1\nevent: start\ndata: {}\n\n" + """
                        id: 2
                        event: event
                        data: {"id":1,"at":"2026-01-01T00:00:00+00:00","severity":"info","kind":"vm.died","subject":null,"user":null,"message":"It died."}


                        """);
                case 2:
                    return (502, "<html>");
                default:
                    interrupt.Cancel();
                    return (200, "");
            }
        });
        var run = await CommandRun.OfAsync(center.Variables, interrupt.Token, "event", "follow");
        Assert.Equal((ExitCode.Interrupted, true), (run.Code, run.Out.Contains("It died.", StringComparison.Ordinal)));
        Assert.Contains("Trying again", run.Error, StringComparison.Ordinal);
    }

    /// <summary>Without a password only another command's login can help, and what it kept is looked at once.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task EventsAreFollowedAfterTheEndOfTheSessionOnlyWhereThereIsAnother(bool isThereAnother)
    {
        using var interrupt = new CancellationTokenSource();
        var cache = Directory.CreateTempSubdirectory("alveare-");
        var streams = 0;
        await using var center = await ScriptedCenter.OpenAsync(_ =>
        {
            switch (++streams)
            {
                case 1:
                    return (200, "id: 1\nevent: start\ndata: {}\n\n");
                case 2:
                    if (isThereAnother)
                        File.WriteAllText(Assert.Single(cache.GetFiles()).FullName, "another");
                    return (401, """{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Log in first.","code":"NotAuthenticated"}""");
                default:
                    interrupt.Cancel();
                    return (200, "");
            }
        });
        try
        {
            center.Variables[CommandRun.CacheVariable] = cache.FullName;
            Assert.Equal(ExitCode.Done, (await CommandRun.OfAsync(center.Variables, Cancellation, "login")).Code);
            center.Variables.Remove("ALVEARE_PASSWORD");
            var run = await CommandRun.OfAsync(center.Variables, interrupt.Token, "event", "follow");
            Assert.Equal(isThereAnother ? (ExitCode.Interrupted, 3) : (ExitCode.NotReachable, 2), (run.Code, streams));
            Assert.Equal(!isThereAnother, run.Error.Contains("There is no session of 'anna': set ALVEARE_PASSWORD.\n", StringComparison.Ordinal));
            Assert.DoesNotContain("Trying again", run.Error, StringComparison.Ordinal);
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("on", true)]
    [InlineData("paused", true)]
    [InlineData("off", false)]
    public async Task AMachineThatRunsIsShownWithItsLastSample(string power, bool isSampled)
    {
        await using var center = await ScriptedCenter.OpenAsync(asked => asked switch
        {
            "GET /api/vms/vm-1/statistics" => (200, $$"""{"items":[{{Sample(1)}},{{Sample(170)}}],"total":2,"position":"0"}"""),
            _ => (200, $$$"""{"path":"/north/web01","object":{"id":"vm-1","kind":"vm","name":"web01","power":"{{{power}}}"}}"""),
        });
        var shown = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "show", "web01");
        Assert.Equal(("", isSampled), (shown.Error, shown.Out.Contains("\nstatistics:\n  at: 2026-01-01T00:00:00Z\n  cpuPercent: 12.3 %\n  memoryBallooned: 170 MiB\n  diskReadBytesPerSecond: 1.5 KiB/s\n", StringComparison.Ordinal)));
        var json = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "show", "web01", "--json");
        var record = JsonDocument.Parse(json.Out).RootElement;
        Assert.Equal(("web01", isSampled), (record.GetProperty("name").GetString(), record.TryGetProperty("statistics", out var last)));
        if (isSampled)
            Assert.Equal(170 << 20, last.GetProperty("memoryBallooned").GetInt64());

        static string Sample(long mib) => $$"""{"at":"2026-01-01T00:00:00Z","cpuPercent":12.345,"memoryBallooned":{{mib << 20}},"diskReadBytesPerSecond":1536}""";
    }

    private static RootCommand Tree() => CommandLineProgram.Create(new CliEnvironment(TextWriter.Null, TextWriter.Null, _ => null));

    private static IEnumerable<(string Path, Command Command)> All(string path, Command command) =>
        command.Subcommands.SelectMany(c => All($"{path} {c.Name}", c)).Prepend((path, command));
}
