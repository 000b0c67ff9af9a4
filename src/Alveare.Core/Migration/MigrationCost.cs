using Alveare.Model;
using Alveare.Model.Tasks;
using Alveare.Planning.Migration;

namespace Alveare.Core.Migration;

/// <summary>What live migrations have cost, measured.</summary>
/// <param name="MbPerSecond">What a migration sends in a second, from its beginning to the guest running on the other host.</param>
/// <param name="Overhead">MB that are sent for each MB of memory that a machine takes, beside what its guest writes again meanwhile.</param>
/// <param name="Measured">So many migrations.</param>
/// <param name="DirtyMbPerSecond">MB that a guest writes again in a second.</param>
public sealed record MigrationCost(double MbPerSecond, double Overhead, int Measured = 0, double DirtyMbPerSecond = 0)
{
    /// <summary>Before the first: a gigabit link, and a guest that writes a quarter of its memory meanwhile.</summary>
    public static readonly MigrationCost Assumed = new(100, 1.25);

    /// <summary>How much the newest migration counts, once a few are known. Before that all count alike, and so does what was assumed.</summary>
    private const double LeastWeight = 0.2;

    /// <summary>What is to be sent, whatever the link.</summary>
    internal TransferLoad Load => new(Overhead, DirtyMbPerSecond);

    /// <summary>What is known after one more migration.</summary>
    /// <param name="consumedMb">Memory that the machine took, or 0 when that is not known.</param>
    public MigrationCost With(MigrationFigures figures, double consumedMb)
    {
        var (sent, seconds) = (figures.Transferred.Mb, figures.Total.TotalSeconds);
        if (!(sent > 0) || !(seconds > 0))
            return this;
        var load = consumedMb > 0 ? TransferLoad.Measured(consumedMb, sent, seconds, new Bytes((long)figures.DirtyBytesPerSecond).Mb) : Load;
        return new(Mix(MbPerSecond, sent / seconds), Mix(Overhead, load.Overhead), Measured + 1, Mix(DirtyMbPerSecond, load.DirtyMbPerSecond));
    }

    /// <summary>How long a machine that takes so much memory is expected to move.</summary>
    public double SecondsFor(Bytes memory) => Load.Seconds(memory.Mb, MbPerSecond);

    private double Mix(double known, double measured)
    {
        var weight = Math.Max(LeastWeight, 1.0 / (Measured + 2));
        return ((1 - weight) * known) + (weight * measured);
    }
}
