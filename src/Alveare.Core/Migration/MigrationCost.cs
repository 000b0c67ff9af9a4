using Alveare.Model;
using Alveare.Model.Tasks;
using Alveare.Planning.Balancing;

namespace Alveare.Core.Migration;

/// <summary>What live migrations have cost here, measured.</summary>
/// <param name="MbPerSecond">What a migration sends in a second, from its beginning to the guest running on the other host.</param>
/// <param name="Overhead">MB that are sent for each MB of memory that a machine takes.</param>
public sealed record MigrationCost(double MbPerSecond, double Overhead)
{
    /// <summary>Before the first: a gigabit link, and a guest that writes a quarter of its memory meanwhile.</summary>
    public static readonly MigrationCost Assumed = new(100, 1.25);

    /// <summary>One thread at either end is busy with it.</summary>
    private const double CpusWhileMoving = 2;

    /// <summary>How much the newest migration counts.</summary>
    private const double Weight = 0.2;

    private const double MhzPerGhz = 1000;

    /// <summary>What is known after one more migration.</summary>
    /// <param name="consumedMb">Memory that the machine took, or 0 when that is not known.</param>
    public MigrationCost With(MigrationFigures figures, double consumedMb)
    {
        var (sent, seconds) = (figures.Transferred.Mb, figures.Total.TotalSeconds);
        if (!(sent > 0) || !(seconds > 0))
            return this;
        var overhead = consumedMb > 0 ? Math.Clamp(sent / consumedMb, 0.1, 10) : Overhead;
        return new(Mix(MbPerSecond, sent / seconds), Mix(Overhead, overhead));
    }

    /// <summary>The terms on which a cluster's moves are judged.</summary>
    /// <param name="clock">Of the hosts' CPUs.</param>
    /// <param name="steadySeconds">How long each machine's load has been what it is.</param>
    public MoveTerms TermsFor(Megahertz clock, IReadOnlyDictionary<string, double> steadySeconds) =>
        new(MbPerSecond, Overhead, CpusWhileMoving * clock.Value / MhzPerGhz, steadySeconds);

    /// <summary>How long a machine that takes so much memory is expected to move.</summary>
    public double SecondsFor(Bytes memory) => memory.Mb * Overhead / MbPerSecond;

    private static double Mix(double known, double measured) => ((1 - Weight) * known) + (Weight * measured);
}
