using Alveare.Simulation.Scenarios;
using Xunit;

namespace Alveare.Tests.Simulation;

/// <summary>Hours of a cluster that balances itself, with load in waves and hosts that crash: what must hold does, whatever the seed.</summary>
public sealed class BalanceScenarioTests
{
    // More are run by `./alveare simulate --balancing`.
    private const int Seeds = 1_000;

    [Fact]
    public void NoSeedBreaksAnInvariant()
    {
        var broken = SeedRange.Run(0, Seeds, Environment.ProcessorCount, scenario: seed => BalanceScenario.Run(seed));
        Assert.True(broken is null, broken?.ToString());
    }

    [Fact]
    public void TheSameSeedGivesTheSameHistory()
    {
        var (once, again) = (BalanceScenario.Run(3, hours: 1, keepHistory: true), BalanceScenario.Run(3, hours: 1, keepHistory: true));
        Assert.Equal(once.History, again.History);
        Assert.Equal(once.Turns, again.Turns);
    }

    [Fact]
    public void MachinesDoMove() => Assert.Contains(Enumerable.Range(0, 20), seed => Tells(seed, "balancing moved"));

    [Fact]
    public void GroupsDoMove() => Assert.Contains(Enumerable.Range(0, 20), seed => Tells(seed, "a rule keeps it together with"));

    private static bool Tells(int seed, string what) =>
        BalanceScenario.Run(seed, keepHistory: true).History.Any(l => l.Contains(what, StringComparison.Ordinal));
}
