using System.Text.Json;
using Alveare.Cli.Running;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary><c>plan</c> on a file, without any center.</summary>
public sealed class PlanCommandTests : IDisposable
{
    private const string Cluster =
        """
        {"name":"c","hosts":[{"id":"h0","cpuMhz":10000,"memMb":16384},{"id":"h1","cpuMhz":10000,"memMb":16384},{"id":"h2","cpuMhz":10000,"memMb":2048}],
         "vms":[{"id":"a","host":"h0","cpuDemandMhz":4000,"memMb":4096,"consumedMb":4096,"activeMb":1024},
                {"id":"b","host":"h0","cpuDemandMhz":4000,"memMb":4096,"consumedMb":4096,"activeMb":1024}],
         "rules":[{"id":"r0","type":"antiAffinity","vms":["a","b"]}]}
        """;

    private readonly string _file = Path.GetTempFileName();

    public PlanCommandTests() => File.WriteAllText(_file, Cluster);

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData("1")]
    [InlineData("5")]
    public async Task ABrokenRuleIsMendedAndTheReasonNamesIt(string level)
    {
        var run = await Run("balance", "--level", level, "--json");
        Assert.Equal((ExitCode.Done, ""), (run.Code, run.Error));
        var plan = JsonDocument.Parse(run.Out).RootElement;
        var move = Assert.Single(plan.GetProperty("moves").EnumerateArray());
        Assert.Equal(("h0", "h1"), (move.GetProperty("from").GetString(), move.GetProperty("to").GetString()));
        Assert.Contains("rule r0: a, b apart", move.GetProperty("reason").GetString()!, StringComparison.Ordinal);
        Assert.Equal((1, 0), (plan.GetProperty("before").GetProperty("broken").GetInt32(), plan.GetProperty("after").GetProperty("broken").GetInt32()));
        Assert.True(plan.GetProperty("cpuSeconds").GetDouble() > 0);
    }

    [Fact]
    public async Task ANewMachineGoesWhereItMayAndEveryOtherHostSaysWhyNot()
    {
        var run = await Run("place", "--memory", "4G", "--apart-from", "a");
        Assert.Equal(ExitCode.Done, run.Code);
        Assert.Contains("It would go to h1.", run.Out, StringComparison.Ordinal);
        Assert.Contains("rule apart from a", run.Out, StringComparison.Ordinal);
        Assert.Contains("needs 4096 MB of memory, 2048 MB are free", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("maintenance")]
    [InlineData("fail")]
    public async Task AMachineThatCannotLeaveNamesWhatIsInTheWay(string command)
    {
        var run = await Run(command, "--host", "h0");
        Assert.Equal(ExitCode.Fault, run.Code);
        Assert.Contains("1 of its machines go nowhere", run.Out, StringComparison.Ordinal);
        Assert.Contains("rule r0: a, b apart", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnotherHostMakesRoomForMore()
    {
        var run = await Run("grow", "--like", "a", "--host-cpu-mhz", "10000", "--host-memory", "16G", "--json");
        Assert.Equal(ExitCode.Done, run.Code);
        var answer = JsonDocument.Parse(run.Out).RootElement;
        Assert.Equal((2, 4), (answer.GetProperty("now").GetProperty("fit").GetInt32(), answer.GetProperty("grown").GetProperty("fit").GetInt32()));
    }

    [Fact]
    public async Task AHostThatIsNotNeededWouldSleep()
    {
        await File.WriteAllTextAsync(_file, Cluster.Replace("\"rules\":[{\"id\":\"r0\",\"type\":\"antiAffinity\",\"vms\":[\"a\",\"b\"]}]", "\"rules\":[]", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var run = await Run("power", "--json");
        Assert.Equal((ExitCode.Done, ""), (run.Code, run.Error));
        var plan = JsonDocument.Parse(run.Out).RootElement;
        Assert.All(plan.GetProperty("steps").EnumerateArray(), s => Assert.Equal("standby", s.GetProperty("action").GetString()));
        Assert.Equal(["h1"], plan.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("host").GetString()));
        Assert.Equal((3, 2), (plan.GetProperty("before").GetProperty("hostsOn").GetInt32(), plan.GetProperty("after").GetProperty("hostsOn").GetInt32()));
        Assert.Contains("Every host stays as it is: 26.7 % of the 3 hosts", (await Run("power", "--least-hosts", "3")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AHostThatSleepsWouldBeWokenWhereItIsNeeded()
    {
        await File.WriteAllTextAsync(_file, Cluster.Replace("\"vms\":[{", "\"asleep\":[{\"id\":\"h3\",\"cpuMhz\":10000,\"memMb\":16384}],\"vms\":[{", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var run = await Run("power", "--least-hosts", "4");
        Assert.Contains("h3", run.Out, StringComparison.Ordinal);
        Assert.Contains("3 hosts are on, and 4 are to be", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("power --target 95", "--target is '95', expected 30 to 90")]
    [InlineData("power --target 80 --band 30", "the band is 80 % plus and minus 30 %, expected one within 0 to 100 %")]
    [InlineData("balance --level 6", "--level is '6', expected 1 to 5")]
    [InlineData("balance --max-moves -1", "--max-moves is '-1', expected 0 or more")]
    [InlineData("maintenance --host h9", "No host of the snapshot is named 'h9'")]
    [InlineData("grow --like a --host-memory 1G", "give both")]
    [InlineData("place --memory 1G --on h9", "No host of the snapshot is named 'h9'")]
    public async Task AWrongQuestionIsUsage(string line, string expected)
    {
        var run = await Run(line.Split(' '));
        Assert.Equal(ExitCode.Usage, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABrokenFileIsAFaultAndAMissingOneUsage()
    {
        await File.WriteAllTextAsync(_file, "{", TestContext.Current.CancellationToken);
        var broken = await Run("balance");
        Assert.Equal(ExitCode.Fault, broken.Code);
        Assert.Contains("is corrupt: it is no JSON", broken.Error, StringComparison.Ordinal);
        var missing = await CommandRun.OfAsync(new Dictionary<string, string>(), TestContext.Current.CancellationToken, "plan", "balance", "--snapshot", _file + ".none");
        Assert.Equal(ExitCode.Usage, missing.Code);
    }

    private Task<CommandRun> Run(params string[] arguments) =>
        CommandRun.OfAsync(new Dictionary<string, string>(), TestContext.Current.CancellationToken, ["plan", .. arguments, "--snapshot", _file]);
}
