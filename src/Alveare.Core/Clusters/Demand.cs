using Alveare.Core.Statistics;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Planning.Balancing;

namespace Alveare.Core.Clusters;

/// <summary>What a machine asks for, over the last minutes.</summary>
/// <param name="IsKnown">False without fresh samples: the rest is then what must be assumed.</param>
/// <param name="Steady">How long the CPU demand has been what it is.</param>
internal readonly record struct Demand(bool IsKnown, double CpuMhz, double ConsumedMb, double ActiveMb, TimeSpan Steady)
{
    /// <summary>Over how long demand is averaged: a spike of seconds is no demand.</summary>
    public static readonly TimeSpan Window = StatisticsHistory.Fresh;

    /// <summary>Fewer samples say nothing of a machine.</summary>
    public const int LeastSamples = 3;

    /// <summary>A change of demand by less is noise: a tenth of a CPU.</summary>
    private const double NoiseInCpus = 0.1;

    /// <summary>CPU demand is what the machine used and what it waited for. Of a machine that is not known all its memory counts.</summary>
    /// <param name="samples">Newest first; those that cannot be are passed over.</param>
    public static Demand Of(ReadOnlySpan<DemandSample> samples, MachineSpec spec, Host host)
    {
        var clock = host.Facts!.CpuClock.Value;
        Span<LoadPoint> points = stackalloc LoadPoint[samples.Length];
        Span<TimeSpan> ages = stackalloc TimeSpan[samples.Length];
        var (usable, recent) = (0, 0);
        var (cpu, consumed, active) = (0.0, 0.0, 0.0);
        foreach (var sample in samples)
        {
            if (!sample.IsUsable)
                continue;
            var asked = sample.Cpus(spec.Cpus) * clock;
            points[usable] = new(asked, sample.Age);
            ages[usable++] = sample.Age;
            if (sample.Age > Window)
                continue;
            recent++;
            (cpu, consumed, active) = (cpu + asked, consumed + sample.Consumed.Mb, active + sample.Active.Mb);
        }

        if (recent == 0)
            return new(false, 0, spec.Memory.Mb, spec.Memory.Mb, TimeSpan.Zero);
        var isKnown = recent >= LeastSamples && !LoadHistory.IsStale(ages[..usable]);
        return new(isKnown, cpu / recent, consumed / recent, active / recent, LoadHistory.SteadyFor(points[..usable], NoiseInCpus * clock));
    }
}
