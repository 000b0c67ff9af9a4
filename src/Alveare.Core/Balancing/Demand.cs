using Alveare.Core.Statistics;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Statistics;
using Alveare.Planning.Balancing;

namespace Alveare.Core.Balancing;

/// <summary>What a machine asks for, over the last minutes.</summary>
/// <param name="IsKnown">False without fresh samples: the rest is then what must be assumed.</param>
/// <param name="Steady">How long the CPU demand has been what it is.</param>
internal readonly record struct Demand(bool IsKnown, double CpuMhz, double ConsumedBytes, double ActiveBytes, TimeSpan Steady)
{
    /// <summary>Over how long demand is averaged: a spike of seconds is no demand.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(5);

    /// <summary>Fewer samples say nothing of a machine.</summary>
    public const int LeastSamples = 3;

    /// <summary>A change of demand by less is noise: a tenth of a CPU.</summary>
    private const double NoiseInCpus = 0.1;

    /// <summary>CPU demand is what the machine used and what it waited for. Of a machine that is not known all its memory counts.</summary>
    /// <param name="samples">Newest first; those that cannot be are passed over.</param>
    public static Demand Of(IReadOnlyList<AgedSample<MachineSample>> samples, MachineSpec spec, Host host)
    {
        var usable = samples.Where(s => IsUsable(s.Sample)).ToList();
        var recent = usable.Where(s => s.Age <= Window).ToList();
        var clock = host.Facts!.CpuClock.Value;
        var isKnown = recent.Count >= LeastSamples && !IsStale(usable);
        if (recent.Count == 0)
            return new(false, 0, spec.Memory.Value, spec.Memory.Value, TimeSpan.Zero);
        var points = usable.Select(s => new LoadPoint(MhzOf(s.Sample, spec.Cpus, clock), s.Age)).ToArray();
        return new(
            isKnown,
            recent.Average(s => MhzOf(s.Sample, spec.Cpus, clock)),
            recent.Average(s => (double)s.Sample.MemoryConsumed.Value),
            recent.Average(s => (double)s.Sample.MemoryActive.Value),
            LoadHistory.SteadyFor(points, NoiseInCpus * clock));
    }

    /// <summary>Whether the newest sample says nothing of now any more, or there is none.</summary>
    public static bool IsStale<T>(IReadOnlyList<AgedSample<T>> samples) =>
        samples.Count == 0 || samples[0].Age > LoadHistory.StaleAfter([.. samples.Take(11).Select(s => s.Age)]);

    // Ready is the mean of a machine's virtual CPUs.
    private static double MhzOf(MachineSample sample, int cpus, long clock) => (sample.CpuPercent + (sample.CpuReadyPercent * cpus)) / 100 * clock;

    private static bool IsUsable(MachineSample sample) =>
        double.IsFinite(sample.CpuPercent) && sample.CpuPercent >= 0
        && double.IsFinite(sample.CpuReadyPercent) && sample.CpuReadyPercent >= 0
        && sample.MemoryConsumed.Value >= 0 && sample.MemoryActive.Value >= 0;
}
