using System.Collections.Immutable;
using System.Globalization;
using Alveare.Model;

namespace Alveare.Planning.Migration;

/// <summary>What putting a host into maintenance does: which machine goes where, which cannot leave and why, and how long it takes.</summary>
/// <param name="Staying">Machines that no other host takes.</param>
/// <param name="Seconds">How long it is expected to take, by what migrations have cost here.</param>
public sealed record MaintenancePlan(string Host, ImmutableArray<MaintenanceMove> Moves, ImmutableArray<MaintenanceStay> Staying, double Seconds)
{
    private const int Shown = 50;

    /// <summary>No machine that stays keeps the host from being put into maintenance.</summary>
    public bool IsPossible => !Staying.Any(s => s.IsInTheWay);

    /// <summary>The plan as one sentence.</summary>
    public string InWords() => string.Create(
        CultureInfo.InvariantCulture,
        $"host '{Host}' is emptied by {Moves.Length} move{(Moves.Length == 1 ? "" : "s")} in about {Math.Ceiling(Seconds):0} s{List(": ", Moves.Select(m => $"'{m.Name}' to {m.ToName}"))}{List("; staying: ", Staying.Select(s => $"'{s.Name}': {s.Reason}"))}");

    /// <summary>How long moves take of which so many are made at once, each begun in its turn as soon as one has ended.</summary>
    public static double Together(IEnumerable<double> seconds, int atOnce)
    {
        var ends = new PriorityQueue<double, double>(Enumerable.Repeat((0.0, 0.0), atOnce));
        var last = 0.0;
        foreach (var one in seconds)
        {
            var end = ends.Dequeue() + one;
            ends.Enqueue(end, end);
            last = Math.Max(last, end);
        }

        return last;
    }

    private static string List(string before, IEnumerable<string> items)
    {
        var all = items.ToList();
        return all.Count == 0 ? "" : before + string.Join(", ", all.Take(Shown)) + (all.Count > Shown ? $" and {all.Count - Shown} more" : "");
    }
}

/// <summary>A machine that leaves.</summary>
/// <param name="IsLive">It runs and moves live; one that is off is only registered elsewhere.</param>
/// <param name="Memory">What is sent at least.</param>
/// <param name="Seconds">How long its move is expected to take.</param>
public sealed record MaintenanceMove(EntityId Vm, string Name, EntityId To, string ToName, bool IsLive, Bytes Memory, double Seconds)
{
    /// <summary>Name of the machine that leads the group which it moves with; null for one that moves by itself or leads.</summary>
    public string? With { get; init; }
}

/// <summary>A machine that no other host takes.</summary>
/// <param name="Reason">Of each other host: what it lacks, or which rule is in the way.</param>
/// <param name="IsInTheWay">It runs, so that the host cannot be put into maintenance. One that is off harms nobody there.</param>
public sealed record MaintenanceStay(EntityId Vm, string Name, string Reason, bool IsInTheWay);
