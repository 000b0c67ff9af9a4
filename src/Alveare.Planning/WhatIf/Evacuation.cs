using System.Collections.Immutable;
using System.Globalization;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.WhatIf;

/// <summary>Where the machines of one host go, when it is to be empty or has failed.</summary>
/// <param name="Stuck">Machines that go nowhere.</param>
public sealed record EvacuationPlan(ImmutableArray<PlannedMove> Moves, ImmutableArray<StuckVm> Stuck, ClusterFigures Before, ClusterFigures After);

/// <summary>A machine that finds no host.</summary>
/// <param name="Reasons">Why, for each other host.</param>
public sealed record StuckVm(string Vm, ImmutableArray<HostReason> Reasons);

/// <summary>Why one host is refused.</summary>
public sealed record HostReason(string Host, string Reason);

/// <summary>Plans to empty a host, or to restart elsewhere what ran on one that failed.</summary>
/// <remarks>The machine that takes most memory first, because it is the one that ends up with nowhere to go; machines that rules keep together go
/// as one. Each goes where the scarcer of CPU and memory is least loaded with it. Ties go to the lower id.</remarks>
public static class Evacuation
{
    /// <summary>The machines run, and move live one after the other.</summary>
    public static EvacuationPlan Maintenance(ClusterSnapshot snapshot, string host) => Plan(snapshot, host, hasFailed: false);

    /// <summary>The host has failed: its machines are started again elsewhere.</summary>
    public static EvacuationPlan Failure(ClusterSnapshot snapshot, string host) => Plan(snapshot, host, hasFailed: true);

    private static EvacuationPlan Plan(ClusterSnapshot snapshot, string host, bool hasFailed)
    {
        var cluster = new Cluster(snapshot);
        var left = cluster.HostNumbers[host];
        var state = new ClusterState(cluster);
        var before = ClusterFigures.Of(state);
        var units = Units(cluster, left);
        if (hasFailed)
        {
            foreach (var vm in units.SelectMany(u => u))
                state.Move(vm, ClusterState.Nowhere);
        }

        var moves = new List<PlannedMove>();
        // Again as long as something moved: what had no room, or a rule in its way, may have it now.
        for (var waiting = units; ;)
        {
            var stuck = waiting.Where(unit => !Move(state, unit, left, moves)).ToList();
            if (stuck.Count == waiting.Count)
                return new([.. moves], [.. stuck.SelectMany(u => u).Select(vm => Stuck(state, vm, left))], before, ClusterFigures.Of(state, without: left));
            waiting = stuck;
        }
    }

    private static List<int[]> Units(Cluster cluster, int host)
    {
        var units = Enumerable.Range(0, cluster.Vms.Length).Where(vm => cluster.Start[vm] == host).Select(vm => new List<int> { vm }).ToList();
        for (var rule = 0; rule < cluster.Rules.Count; rule++)
        {
            if (cluster.Rules[rule].Kind != RuleKind.Together)
                continue;
            var members = cluster.Rules.MembersOf(rule).ToArray();
            var joined = units.Where(u => u.Exists(members.Contains)).ToList();
            if (joined.Count < 2)
                continue;
            units.RemoveAll(joined.Contains);
            units.Add([.. joined.SelectMany(u => u)]);
        }

        return [.. units.Select(u => u.OrderByDescending(vm => cluster.Consumed[vm]).ThenBy(vm => vm).ToArray())
            .OrderByDescending(u => u.Sum(vm => cluster.Consumed[vm])).ThenBy(u => u[0])];
    }

    private static bool Move(ClusterState state, int[] unit, int left, List<PlannedMove> moves)
    {
        var (best, least) = (-1, double.PositiveInfinity);
        for (var host = 0; host < state.CpuLoad.Length; host++)
        {
            if (host != left && LoadWith(state, unit, host) is { } load && load < least)
                (best, least) = (host, load);
        }

        if (best < 0)
            return false;
        foreach (var vm in unit)
        {
            var cluster = state.Cluster;
            var reason = string.Create(
                CultureInfo.InvariantCulture,
                $"{cluster.Hosts[best].Id} is the least loaded that may take it{(unit.Length > 1 ? $" and the {unit.Length - 1} it is kept together with" : "")}: {100 * least:0.0} % of its scarcer resource with it");
            moves.Add(new(cluster.Vms[vm].Id, cluster.Hosts[left].Id, cluster.Hosts[best].Id, cluster.Gb[vm], reason));
            state.Move(vm, best);
        }

        return true;
    }

    /// <summary>The load of the host with the machines on it; null when it may not take them all.</summary>
    private static double? LoadWith(ClusterState state, int[] unit, int host)
    {
        var (from, broken) = (state.At[unit[0]], Broken(state, unit));
        var moved = 0;
        while (moved < unit.Length && state.HasRoom(unit[moved], host))
            state.Move(unit[moved++], host);
        double? load = moved == unit.Length && Broken(state, unit) <= broken ? Math.Max(state.CpuLoad[host], state.MemLoad[host]) : null;
        while (moved > 0)
            state.Move(unit[--moved], from);
        return load;
    }

    private static int Broken(ClusterState state, int[] unit)
    {
        var rules = state.Cluster.Rules;
        return unit.SelectMany(vm => rules.RulesOf(vm).ToArray()).Distinct().Sum(rule => rules.Broken(rule, state.At));
    }

    private static StuckVm Stuck(ClusterState state, int vm, int left) => new(
        state.Cluster.Vms[vm].Id,
        [
            .. Enumerable.Range(0, state.CpuLoad.Length).Where(host => host != left)
                .Select(host => new HostReason(state.Cluster.Hosts[host].Id, Reason(state, vm, host))),
        ]);

    private static string Reason(ClusterState state, int vm, int host)
    {
        var reasons = HostRefusals.Of(state, vm, host);
        return reasons.Count > 0 ? string.Join(", ", reasons) : "has no room for all that rules keep together with it";
    }
}
