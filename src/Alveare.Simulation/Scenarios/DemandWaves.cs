using System.Collections.Concurrent;
using Alveare.Model;

namespace Alveare.Simulation.Scenarios;

/// <summary>What machines ask for over the days: each has a ground, a wave of a day, a trend, and hours in which it bursts. The same seed asks
/// for the same. Any thread may ask.</summary>
public sealed class DemandWaves
{
    private const double PerCpu = 100;

    private readonly int seed;
    private readonly Func<Random, Wave> draw;

    private readonly ConcurrentDictionary<EntityId, Wave> waves = [];

    private DemandWaves(int seed, Func<Random, Wave> draw) => (this.seed, this.draw) = (seed, draw);

    /// <summary>Machines that have nothing in common.</summary>
    /// <param name="day">How long a day with its night lasts.</param>
    public static DemandWaves Unlike(int seed, TimeSpan day) => new(seed, dice => Wave.Unlike(dice, day));

    /// <summary>Machines of one CPU, most of which have much to do by day and little by night.</summary>
    /// <param name="day">How long a day with its night lasts; it begins at midnight.</param>
    public static DemandWaves WithNights(int seed, TimeSpan day) => new(seed, dice => Wave.ByDay(dice, day));

    /// <summary>From this moment on nothing changes any more.</summary>
    public DateTimeOffset? StandsStillFrom { get; set; }

    /// <summary>In percent of one CPU.</summary>
    public double Percent(EntityId machine, DateTimeOffset at)
    {
        var when = StandsStillFrom is { } end && at > end ? end : at;
        var wave = waves.GetOrAdd(machine, m => draw(new Random(seed ^ m.Uuid.GetHashCode())));
        return Math.Clamp(wave.At(when, seed ^ machine.Uuid.GetHashCode()), 0, wave.Cpus * PerCpu);
    }

    private sealed record Wave(double HoursOfDay, int Cpus, double Ground, double Height, double Phase, double TrendPerHour, int BurstIn100Hours)
    {
        public static Wave Unlike(Random dice, TimeSpan day)
        {
            var cpus = dice.Next(1, 5);
            return new(
                day.TotalHours,
                cpus,
                40 * cpus * dice.NextDouble(),
                60 * cpus * dice.NextDouble(),
                Math.Tau * dice.NextDouble(),
                dice.Next(4) == 0 ? 10 * (dice.NextDouble() - 0.5) : 0,
                dice.Next(3) == 0 ? dice.Next(5, 40) : 0);
        }

        public static Wave ByDay(Random dice, TimeSpan day) => new(
            day.TotalHours,
            Cpus: 1,
            Ground: 20 * dice.NextDouble(),
            Height: dice.Next(6) == 0 ? 5 : 40 + (40 * dice.NextDouble()),
            // The sine's top is a quarter of a day after its beginning; some are early or late by a sixteenth of a day.
            Phase: (-Math.Tau / 4) + (Math.Tau * (dice.NextDouble() - 0.5) / 8),
            TrendPerHour: 0,
            BurstIn100Hours: dice.Next(4) == 0 ? dice.Next(2, 10) : 0);

        public double At(DateTimeOffset when, int salt)
        {
            var hours = (when - DateTimeOffset.UnixEpoch).TotalHours;
            var day = Height * (1 + Math.Sin((Math.Tau * hours / HoursOfDay) + Phase)) / 2;
            // A burst lasts five minutes to an hour, from the beginning of its hour.
            var dice = new Random(HashCode(salt, (long)hours));
            var isBurst = dice.Next(100) < BurstIn100Hours && hours - Math.Floor(hours) < (1 + dice.Next(12)) / 12.0;
            return Ground + day + (TrendPerHour * (hours % 48)) + (isBurst ? PerCpu * Cpus : 0);
        }

        private static int HashCode(int salt, long hour) => unchecked((int)((salt * 397L) ^ (hour * 0x9E3779B1L)));
    }
}
