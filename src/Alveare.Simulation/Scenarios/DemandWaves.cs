using System.Collections.Concurrent;
using Alveare.Model;

namespace Alveare.Simulation.Scenarios;

/// <summary>What machines ask for over the days: each has a ground, a wave of a day, a trend, and hours in which it bursts. The same seed asks
/// for the same. Any thread may ask.</summary>
public sealed class DemandWaves(int seed)
{
    private const double PerCpu = 100;

    private readonly ConcurrentDictionary<EntityId, Wave> waves = [];

    /// <summary>From this moment on nothing changes any more.</summary>
    public DateTimeOffset? StandsStillFrom { get; set; }

    /// <summary>In percent of one CPU.</summary>
    public double Percent(EntityId machine, DateTimeOffset at)
    {
        var when = StandsStillFrom is { } end && at > end ? end : at;
        var wave = waves.GetOrAdd(machine, m => Wave.Of(new Random(seed ^ m.Uuid.GetHashCode())));
        return Math.Clamp(wave.At(when, seed ^ machine.Uuid.GetHashCode()), 0, wave.Cpus * PerCpu);
    }

    private sealed record Wave(int Cpus, double Ground, double Height, double Phase, double TrendPerHour, int BurstIn100Hours)
    {
        public static Wave Of(Random dice)
        {
            var cpus = dice.Next(1, 5);
            return new(
                cpus,
                40 * cpus * dice.NextDouble(),
                60 * cpus * dice.NextDouble(),
                Math.Tau * dice.NextDouble(),
                dice.Next(4) == 0 ? 10 * (dice.NextDouble() - 0.5) : 0,
                dice.Next(3) == 0 ? dice.Next(5, 40) : 0);
        }

        public double At(DateTimeOffset when, int salt)
        {
            var hours = (when - DateTimeOffset.UnixEpoch).TotalHours;
            var day = Height * (1 + Math.Sin((Math.Tau * hours / 24) + Phase)) / 2;
            // A burst lasts five minutes to an hour, from the beginning of its hour.
            var dice = new Random(HashCode(salt, (long)hours));
            var isBurst = dice.Next(100) < BurstIn100Hours && hours - Math.Floor(hours) < (1 + dice.Next(12)) / 12.0;
            return Ground + day + (TrendPerHour * (hours % 48)) + (isBurst ? PerCpu * Cpus : 0);
        }

        private static int HashCode(int salt, long hour) => unchecked((int)((salt * 397L) ^ (hour * 0x9E3779B1L)));
    }
}
