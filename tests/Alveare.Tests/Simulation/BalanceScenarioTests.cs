using Alveare.Simulation.Scenarios;
using Xunit;

namespace Alveare.Tests.Simulation;

/// <summary>Days of a cluster that balances itself, with load in waves, hosts in maintenance and hosts that crash: what must hold does, whatever the seed.</summary>
public sealed class BalanceScenarioTests
{
    // Of one day of six hours each, and two hours in which the load stands still. More are run by `./alveare simulate --balancing`.
    private const int Seeds = 1_000;

    // Of fourteen times 24 hours each.
    private const int Long = 2;

    [Fact]
    public void NoSeedBreaksAnInvariant()
    {
        var broken = SeedRange.Run(0, Seeds, Environment.ProcessorCount, scenario: seed => BalanceScenario.Run(seed, days: 1));
        Assert.True(broken is null, broken?.ToString());
    }

    [Fact]
    public void NoSeedBreaksAnInvariantInTwoWeeks()
    {
        var broken = SeedRange.Run(10_000, Long, Environment.ProcessorCount, scenario: seed => BalanceScenario.Run(seed, days: 14 * 4));
        Assert.True(broken is null, broken?.ToString());
    }

    [Theory]
    [InlineData(ClusterDefect.RulesAreIgnored, "a rule that was kept is broken")]
    [InlineData(ClusterDefect.RestIsIgnored, "times in an hour")]
    [InlineData(ClusterDefect.RoomIsOverpromised, "runs machines of")]
    [InlineData(ClusterDefect.RoomIsOverpromised, "promises its machines")]
    [InlineData(ClusterDefect.NothingIsMoved, "are not as even")]
    [InlineData(ClusterDefect.MaintenanceIsIgnored, "is in maintenance, and")]
    [InlineData(ClusterDefect.PoolsExpand, "Resource pool 'guarded' has")]
    public void AProgrammedMistakeIsFoundBySomeSeed(ClusterDefect defect, string how) => Assert.Contains(
        Enumerable.Range(0, 200),
        seed => BalanceScenario.Run(seed, defect: defect).Violations.Any(v => v.Contains(how, StringComparison.OrdinalIgnoreCase)));

    [Fact]
    public void TheSameSeedGivesTheSameHistory()
    {
        var (once, again) = (BalanceScenario.Run(3, days: 1, keepHistory: true), BalanceScenario.Run(3, days: 1, keepHistory: true));
        Assert.Equal(once.History, again.History);
        Assert.Equal(once.Turns, again.Turns);
    }

    [Fact]
    public void MachinesDoMove() => Assert.Contains(Enumerable.Range(0, 20), seed => Tells(seed, "balancing moved"));

    [Fact]
    public void HostsDoGoIntoMaintenanceAndOutAgain()
    {
        var histories = Enumerable.Range(0, 5).SelectMany(seed => BalanceScenario.Run(seed, keepHistory: true).History).ToList();
        foreach (var what in new[] { "host.enter-maintenance", "host.exit-maintenance", "cluster.rolling-maintenance" })
            Assert.Contains(histories, l => l.Contains(what, StringComparison.Ordinal) && l.Contains("Succeeded", StringComparison.Ordinal));
    }

    [Fact]
    public void GroupsDoMove() => Assert.Contains(Enumerable.Range(0, 20), seed => Tells(seed, "a rule keeps it together with"));

    private static bool Tells(int seed, string what) =>
        BalanceScenario.Run(seed, keepHistory: true).History.Any(l => l.Contains(what, StringComparison.Ordinal));
}
