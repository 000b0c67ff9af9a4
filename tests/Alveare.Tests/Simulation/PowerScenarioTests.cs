using Alveare.Simulation.Scenarios;
using Xunit;

namespace Alveare.Tests.Simulation;

/// <summary>Days and nights of a cluster whose hosts sleep and are woken: what must hold does, whatever the seed.</summary>
public sealed class PowerScenarioTests
{
    // More are run by `./alveare simulate --power`.
    private const int Seeds = 200;

    [Fact]
    public void NoSeedBreaksAnInvariant()
    {
        var broken = SeedRange.Run(0, Seeds, Environment.ProcessorCount, scenario: seed => PowerScenario.Run(seed));
        Assert.True(broken is null, broken?.ToString());
    }

    [Theory]
    [InlineData(ClusterDefect.HostsAreNotWoken, "could be woken")]
    [InlineData(ClusterDefect.HostsAreNotWoken, "found no room while")]
    [InlineData(ClusterDefect.HostsGoBackAndForth, "times in a day")]
    public void AProgrammedMistakeIsFoundBySomeSeed(ClusterDefect defect, string how) => Assert.Contains(
        Enumerable.Range(0, Seeds), seed => PowerScenario.Run(seed, defect: defect).Violations.Any(v => v.Contains(how, StringComparison.Ordinal)));

    [Fact]
    public void TheSameSeedGivesTheSameHistory()
    {
        var (once, again) = (PowerScenario.Run(3, days: 1, keepHistory: true), PowerScenario.Run(3, days: 1, keepHistory: true));
        Assert.Equal(once.History, again.History);
        Assert.Equal(once.Turns, again.Turns);
    }

    [Fact]
    public void HostsDoSleepByNightAndAreWokenByDay()
    {
        var histories = Enumerable.Range(0, 5).SelectMany(seed => PowerScenario.Run(seed, keepHistory: true).History).ToList();
        foreach (var what in new[] { "host.enter-standby", "host.exit-standby" })
            Assert.Contains(histories, l => l.Contains(what, StringComparison.Ordinal) && l.Contains("Succeeded", StringComparison.Ordinal));
    }
}
