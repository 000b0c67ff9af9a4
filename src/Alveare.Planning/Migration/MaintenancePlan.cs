using System.Collections.Immutable;
using System.Globalization;
using Alveare.Model;

namespace Alveare.Planning.Migration;

/// <summary>What putting a host into maintenance does: which machine goes where, which cannot leave and why, and how long it takes.</summary>
/// <param name="Moves">In their order: those that make room for a machine come before it.</param>
/// <param name="Staying">Machines that no other host takes.</param>
/// <param name="Seconds">How long it is expected to take, by what migrations have cost here.</param>
public sealed record MaintenancePlan(string Host, ImmutableArray<MaintenanceMove> Moves, ImmutableArray<MaintenanceStay> Staying, double Seconds)
{
    private const int Shown = 50;

    /// <summary>What nothing forbids and nobody wants: hosts that would be asked for more CPU than they have, promises that the other hosts cannot keep. Each a
    /// sentence without its point.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];

    /// <summary>No machine that stays keeps the host from being put into maintenance.</summary>
    public bool IsPossible => !Staying.Any(s => s.IsInTheWay);

    /// <summary>The plan as one sentence.</summary>
    public string InWords() => string.Create(
        CultureInfo.InvariantCulture,
        $"host '{Host}' is emptied by {Moves.Length} move{(Moves.Length == 1 ? "" : "s")} in about {Math.Ceiling(Seconds):0} s{List(": ", Moves.Select(m => $"'{m.Name}' to {m.ToName}{(m.ForName is null ? "" : $" to make room for '{m.ForName}'")}"))}{List("; staying: ", Staying.Select(s => $"'{s.Name}': {s.Reason}"))}{List("; mind that ", Warnings)}");

    /// <summary>The moves that have to have ended before one begins: earlier ones that leave the host that it goes to, and those that are made for the same
    /// machine. Without these it may find no room, or break a rule.</summary>
    /// <param name="number">The move, by its place in the plan.</param>
    public static IEnumerable<int> Before(IReadOnlyList<MaintenanceMove> moves, int number)
    {
        var lead = number;
        while (moves[lead].With is not null)
            lead--;
        var goal = moves[lead].For ?? moves[lead].Vm;
        return Enumerable.Range(0, lead).Where(n => moves[n].From == moves[lead].To || moves[n].For == goal || moves[n].Vm == moves[lead].Vm);
    }

    /// <summary>How long moves take of which so many are made at once, each begun in its turn as soon as one has ended.</summary>
    /// <param name="before">Of each the earlier ones that have to have ended first.</param>
    public static double Together(IReadOnlyList<double> seconds, Func<int, IEnumerable<int>> before, int atOnce)
    {
        var free = new PriorityQueue<double, double>(Enumerable.Repeat((0.0, 0.0), atOnce));
        var ends = new double[seconds.Count];
        for (var n = 0; n < ends.Length; n++)
        {
            ends[n] = before(n).Select(b => ends[b]).Append(free.Dequeue()).Max() + seconds[n];
            free.Enqueue(ends[n], ends[n]);
        }

        return ends.Append(0).Max();
    }

    private static string List(string before, IEnumerable<string> items)
    {
        var all = items.ToList();
        return all.Count == 0 ? "" : before + string.Join(", ", all.Take(Shown)) + (all.Count > Shown ? $" and {all.Count - Shown} more" : "");
    }
}

/// <summary>A machine that leaves, or one of another host that makes room for it.</summary>
/// <param name="IsLive">It runs and moves live; one that is off is only registered elsewhere.</param>
/// <param name="Memory">What is sent at least.</param>
/// <param name="Seconds">How long its move is expected to take.</param>
public sealed record MaintenanceMove(EntityId Vm, string Name, EntityId From, string FromName, EntityId To, string ToName, bool IsLive, Bytes Memory, double Seconds)
{
    /// <summary>Name of the machine that leads the group which it moves with; null for one that moves by itself or leads.</summary>
    public string? With { get; init; }

    /// <summary>The machine of a later move which this one makes room, or the way, for; null for one that leaves the host.</summary>
    public EntityId? For { get; init; }

    public string? ForName { get; init; }
}

/// <summary>A machine that no other host takes.</summary>
/// <param name="Reason">Of each other host: what it lacks, or which rule is in the way.</param>
/// <param name="IsInTheWay">It runs, so that the host cannot be put into maintenance. One that is off harms nobody there.</param>
public sealed record MaintenanceStay(EntityId Vm, string Name, string Reason, bool IsInTheWay);
