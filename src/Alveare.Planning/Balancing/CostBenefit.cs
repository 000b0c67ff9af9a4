using System.Collections.Immutable;
using Alveare.Planning.Clusters;
using Alveare.Planning.Migration;

namespace Alveare.Planning.Balancing;

/// <summary>What is known of moving machines in a cluster.</summary>
/// <param name="MbPerSecond">What a migration sends where nothing is known of its link.</param>
/// <param name="Load">What a machine has to send of which nothing is known.</param>
/// <param name="GhzWhileMoving">CPU that both ends together spend on a migration.</param>
/// <param name="SteadySeconds">How long each machine's load has been what it is; a machine that is missing has no past.</param>
public sealed record MoveTerms(double MbPerSecond, TransferLoad Load, double GhzWhileMoving, IReadOnlyDictionary<string, double> SteadySeconds)
{
    private const double MbPerGb = 1024;

    /// <summary>What a migration sends from one host to another, of those that are known to differ; by the hosts' ids.</summary>
    public IReadOnlyDictionary<(string From, string To), double> Links { get; init; } = ImmutableDictionary<(string, string), double>.Empty;

    /// <summary>What the machines have to send that have been measured; by their ids.</summary>
    public IReadOnlyDictionary<string, TransferLoad> Loads { get; init; } = ImmutableDictionary<string, TransferLoad>.Empty;

    /// <summary>What a machine has to send.</summary>
    public TransferLoad LoadOf(string vm) => Loads.TryGetValue(vm, out var known) ? known : Load;

    /// <summary>The terms of units, whose members are sent at the same time.</summary>
    public MoveTerms Of(MoveUnits units) => this with { Loads = units.Cluster.Vms.ToDictionary(v => v.Id, v => LoadOf(units, v.Id)) };

    /// <summary>How long a move is expected to take.</summary>
    public double SecondsOf(PlannedMove move) =>
        LoadOf(move.Vm).Seconds(move.Gb * MbPerGb, Links.TryGetValue((move.From, move.To), out var known) ? known : MbPerSecond);

    private TransferLoad LoadOf(MoveUnits units, string unit)
    {
        var (sent, dirty, gb) = (0.0, 0.0, 0.0);
        foreach (var member in units.MembersOf(unit))
        {
            var load = LoadOf(units.Whole.Vms[member].Id);
            sent += units.Whole.Gb[member] * load.Overhead;
            dirty += load.DirtyMbPerSecond;
            gb += units.Whole.Gb[member];
        }

        return gb > 0 ? new(sent / gb, dirty) : Load;
    }
}

/// <summary>A planned move with what it brings and takes.</summary>
/// <param name="Gain">GHz seconds of evenness while it is expected to hold; 0 for a move that only mends a rule.</param>
/// <param name="Cost">GHz seconds of CPU for the migration.</param>
/// <param name="HoldsSeconds">How long the load is expected to stay as it is.</param>
public sealed record ValuedMove(PlannedMove Move, double Gain, double Cost, double HoldsSeconds, bool MendsRule);

/// <summary>Leaves out of a plan the moves that would cost more than they bring for as long as they are expected to hold.</summary>
/// <remarks>After Gulati et al. 2012, section 4.2: the benefit of a move is the resources it frees times the time the load is expected to be stable,
/// its cost is what migrating takes. Evenness is counted in GHz: the fall of <see cref="Spread.Total"/> times a mean host's CPU. Each move is
/// weighed against the plan without it, so that the two halves of an exchange are not judged alone.</remarks>
public static class CostBenefit
{
    private const double MostSeconds = 3600;
    private const double MhzPerGhz = 1000;

    /// <summary>The moves that are worth it, in the plan's order; those that a left-out move made room for are left out too.</summary>
    public static ImmutableArray<ValuedMove> Worthwhile(Cluster cluster, IReadOnlyList<PlannedMove> moves, MoveTerms terms)
    {
        var state = new ClusterState(cluster);
        var spread = new Spread(state);
        foreach (var move in moves)
            spread.Move(cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.To]);
        var valued = new ValuedMove?[moves.Count];
        var holds = HostSteadiness(cluster, terms);
        var once = moves.GroupBy(m => m.Vm).Where(g => g.Count() == 1).Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        for (var n = moves.Count - 1; n >= 0; n--)
        {
            valued[n] = Value(cluster, state, spread, moves[n], terms, holds);
            // What moves twice does so because there was no other way: it is judged by none of its steps.
            if (once.Contains(moves[n].Vm) && valued[n] is { MendsRule: false } poor && poor.Gain <= poor.Cost)
            {
                valued[n] = null;
                spread.Move(cluster.VmNumbers[moves[n].Vm], cluster.HostNumbers[moves[n].From]);
            }
        }

        return Feasible(cluster, valued);
    }

    private static ValuedMove Value(Cluster cluster, ClusterState state, Spread spread, PlannedMove move, MoveTerms terms, double[] holds)
    {
        var (vm, from) = (cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.From]);
        var ghz = cluster.Hosts.Average(h => h.CpuMhz) / MhzPerGhz;
        var seconds = Math.Min(terms.SteadySeconds.GetValueOrDefault(move.Vm), holds[from]);
        var cost = terms.SecondsOf(move) * terms.GhzWhileMoving;
        return new(move, Math.Max(0, spread.Change(vm, from)) * ghz * seconds, cost, seconds, MendsRule: move.For is not null || cluster.Rules.Weigh(vm, from, state.At).IsWorse);
    }

    /// <summary>Of each host, how long its load has been what it is: that of its machines, weighed by their load.</summary>
    private static double[] HostSteadiness(Cluster cluster, MoveTerms terms)
    {
        var (weights, sums) = (new double[cluster.Hosts.Length], new double[cluster.Hosts.Length]);
        for (var vm = 0; vm < cluster.Vms.Length; vm++)
        {
            var host = cluster.Start[vm];
            if (host < 0)
                continue;
            var weight = (cluster.Cpu[vm] / cluster.Hosts[host].CpuMhz) + (cluster.Mem[vm] / cluster.Hosts[host].MemMb);
            weights[host] += weight;
            sums[host] += weight * Math.Min(MostSeconds, terms.SteadySeconds.GetValueOrDefault(cluster.Vms[vm].Id));
        }

        return [.. sums.Select((s, h) => weights[h] > 0 ? s / weights[h] : 0)];
    }

    private static ImmutableArray<ValuedMove> Feasible(Cluster cluster, ValuedMove?[] valued)
    {
        var state = new ClusterState(cluster);
        var made = ImmutableArray.CreateBuilder<ValuedMove>();
        foreach (var move in valued.OfType<ValuedMove>())
        {
            var (vm, to) = (cluster.VmNumbers[move.Move.Vm], cluster.HostNumbers[move.Move.To]);
            if (cluster.Hosts[state.At[vm]].Id != move.Move.From || !state.MayMove(vm, to))
                continue;
            state.Move(vm, to);
            made.Add(move);
        }

        return made.DrainToImmutable();
    }
}
