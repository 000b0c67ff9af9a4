namespace Alveare.Simulation.Scenarios;

/// <summary>What became of one scenario.</summary>
/// <param name="Violations">Broken invariants, the first one first; empty when all held.</param>
/// <param name="History">What happened, line by line; empty unless it was asked for.</param>
/// <param name="VirtualTime">How long it took in the simulated world.</param>
/// <param name="Turns">Pieces of work that were run.</param>
/// <param name="Succeeded">Operations that succeeded.</param>
/// <param name="Failed">Operations that ended otherwise.</param>
/// <param name="Options">What its replay needs on the command line beside the seed.</param>
public sealed record ScenarioResult(
    int Seed,
    IReadOnlyList<string> Violations,
    IReadOnlyList<string> History,
    TimeSpan VirtualTime,
    long Turns,
    int Succeeded,
    int Failed,
    string Options = "")
{
    public bool IsSound => Violations.Count == 0;

    /// <summary>For a failed test: what broke, and how to see it again.</summary>
    public override string ToString() => IsSound
        ? $"seed {Seed}: sound ({Succeeded} operations succeeded, {Failed} failed, {Turns} turns, {VirtualTime.TotalSeconds:0} virtual seconds)"
        : $"seed {Seed}: {Violations[0]}\n  replay it: ./alveare simulate --seed {Seed}{Options} --verbose";
}
