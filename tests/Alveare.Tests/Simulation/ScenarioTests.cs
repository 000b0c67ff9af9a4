using Alveare.Simulate;
using Alveare.Simulation.Scenarios;
using Alveare.Simulation.Worlds;
using Xunit;

namespace Alveare.Tests.Simulation;

/// <summary>The real engine over simulated hosts, storage and networks that fail by the dice: no invariant breaks, whatever the seed.</summary>
public sealed class ScenarioTests
{
    private const int Seeds = 10_000;

    public static TheoryData<Defect> Defects => [.. Enum.GetValues<Defect>().Where(d => d != Defect.None)];

    [Fact]
    public void NoSeedBreaksAnInvariant()
    {
        var broken = SeedRange.Run(0, Seeds, Environment.ProcessorCount);
        Assert.True(broken is null, broken?.ToString());
    }

    [Theory]
    [MemberData(nameof(Defects))]
    public void AProgrammedMistakeIsFoundBySomeSeed(Defect defect) =>
        Assert.Contains(Enumerable.Range(0, 1_000), seed => !Scenario.Run(seed, defect: defect).IsSound);

    [Fact]
    public void AChangeThatWasAcknowledgedAndNotWrittenIsFoundInTheFiles() => Assert.Contains(
        Enumerable.Range(0, 1_000),
        seed => Scenario.Run(seed, defect: Defect.ChangeIsNotWritten).Violations.Any(v => v.Contains("by its files", StringComparison.Ordinal)));

    [Fact]
    public void TheSameSeedGivesTheSameHistory()
    {
        foreach (var seed in Enumerable.Range(0, 20))
        {
            var (once, again) = (Scenario.Run(seed, keepHistory: true), Scenario.Run(seed, keepHistory: true));
            Assert.Equal(once.History, again.History);
            Assert.Equal(once.Turns, again.Turns);
        }
    }

    [Fact]
    public void AReplayShowsTheHistoryOfASeed()
    {
        var (status, output, _) = Simulate("--seed", "3", "--verbose");
        Assert.Equal(0, status);
        Assert.Contains("engine serves", output, StringComparison.Ordinal);
        Assert.Contains("seed 3: sound", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--seed is missing")]
    [InlineData("--seed needs a number", "--seed")]
    [InlineData("--seed is '-1'", "--seed", "-1")]
    [InlineData("--seeds is '0'", "--seed", "1", "--seeds", "0")]
    [InlineData("'--sed' is not known here", "--sed", "1")]
    [InlineData("there are no seeds so high", "--seed", "2147483647")]
    public void AWrongCommandLineIsExplained(string expected, params string[] arguments)
    {
        var (status, _, errors) = Simulate(arguments);
        Assert.Equal(2, status);
        Assert.Contains(expected, errors, StringComparison.Ordinal);
    }

    private static (int Status, string Output, string Errors) Simulate(params string[] arguments)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        return (SimulateCommand.Run(arguments, output, errors), output.ToString(), errors.ToString());
    }
}
