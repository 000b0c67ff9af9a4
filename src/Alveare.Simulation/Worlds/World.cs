using Alveare.Model;
using Alveare.Simulation.Scheduling;

namespace Alveare.Simulation.Worlds;

/// <summary>What everything simulated shares: turns, time, dice, and the eyes that see when something happens that never may.</summary>
/// <param name="turns">Who says what runs next.</param>
/// <param name="time">The clock: virtual, or a real one.</param>
/// <param name="dice">Seeded.</param>
public sealed class World(ITurns turns, TimeProvider time, Random dice)
{
    public ITurns Turns { get; } = turns;

    public TimeProvider Time { get; } = time;

    public Random Dice { get; } = dice;

    /// <summary>Ids by the dice.</summary>
    public IdSource Ids { get; } = new(dice.NextBytes);

    /// <summary>The realm of what is nobody's own: the wires and the disks.</summary>
    public Realm Nature { get; } = new(turns, "nature");

    /// <summary>How much of a real machine's time everything takes: 0 for none, 1 for all of it.</summary>
    public double Pace { get; init; }

    /// <summary>CPU that a machine asks for at a moment, in percent of one CPU.</summary>
    public Func<EntityId, DateTimeOffset, double> CpuDemand { get; set; } = (_, _) => 5;

    /// <summary>What is made wrong on purpose, so that a test sees the checks find it.</summary>
    public Defect Defect { get; init; }

    /// <summary>Broken invariants, in the order they were found.</summary>
    public List<string> Violations { get; } = [];

    /// <summary>Told of everything worth a line in a history.</summary>
    public Action<string>? Narrator { get; set; }

    /// <summary>Takes about as long as a real machine takes, half to twice by the dice.</summary>
    public Task PauseAsync(TimeSpan typical)
    {
        var span = typical * Pace * (0.5 + (1.5 * Dice.NextDouble()));
        return span > TimeSpan.Zero ? Task.Delay(span, Time) : Task.CompletedTask;
    }

    public Task PauseAsync(double milliseconds) => PauseAsync(TimeSpan.FromMilliseconds(milliseconds));

    /// <summary>True in so many of 100 throws.</summary>
    public bool Throw(double percent) => percent > 0 && Dice.NextDouble() * 100 < percent;

    public void Tell(string line) => Narrator?.Invoke(line);

    /// <summary>Begins work that nobody waits for; should it break, that is a violation, not silence.</summary>
    public async void Begin(string what, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception e)
        {
            Break($"{what} broke: {e}");
        }
    }

    /// <summary>Something happened that never may.</summary>
    public void Break(string invariant)
    {
        Violations.Add(invariant);
        Tell($"BROKEN: {invariant}");
    }
}
