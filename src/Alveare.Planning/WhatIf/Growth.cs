using System.Collections.Immutable;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.WhatIf;

/// <summary>How many more machines of one kind a cluster takes.</summary>
/// <param name="Fit">How many, at most as many as were asked for.</param>
/// <param name="PerHost">How many on each host.</param>
/// <param name="InTheWay">What each host lacks for one more; empty when all that were asked for fit.</param>
public sealed record GrowthPlan(int Fit, ImmutableArray<HostCount> PerHost, ImmutableArray<HostReason> InTheWay);

/// <summary>A number of machines on a host.</summary>
public sealed record HostCount(string Host, int Vms);

/// <summary>Asks how far a cluster is from full, and what more hosts would give.</summary>
public static class Growth
{
    /// <summary>A machine that needs nothing would fit for ever.</summary>
    public const int Most = 100_000;

    /// <summary>How many copies of a machine fit: each goes to the host that is least loaded with it, has its memory, can keep what is promised,
    /// and has the CPU that it asks for. Rules of the original do not hold for copies.</summary>
    public static GrowthPlan Copies(ClusterSnapshot snapshot, string vm, int most)
    {
        var (original, id) = (snapshot.Vms.First(v => v.Id == vm), snapshot.UnusedVm("(copy)"));
        var cluster = new Cluster(snapshot with { Vms = snapshot.Vms.Add(original.ToBeStarted() with { Id = id, Host = "" }) });
        var (state, copy) = (new ClusterState(cluster), cluster.VmNumbers[id]);
        var counts = new int[cluster.Hosts.Length];
        var fit = 0;
        for (; fit < Math.Min(most, Most) && Best(state, copy) is var host and >= 0; fit++)
        {
            counts[host]++;
            state.AddCopy(copy, host);
        }

        var inTheWay = fit == most ? [] : Enumerable.Range(0, counts.Length).Select(h => new HostReason(cluster.Hosts[h].Id, string.Join(", ", Lacks(state, copy, h))));
        return new(fit, [.. counts.Select((n, h) => new HostCount(cluster.Hosts[h].Id, n)).Where(c => c.Vms > 0)], [.. inTheWay]);
    }

    /// <summary>The cluster with more hosts, all empty, which have what machines need that can run on some hosts only.</summary>
    public static ClusterSnapshot WithHosts(ClusterSnapshot snapshot, int count, double cpuMhz, double memMb)
    {
        var taken = snapshot.Hosts.Select(h => h.Id).ToHashSet(StringComparer.Ordinal);
        var names = Enumerable.Range(1, int.MaxValue).Select(n => $"new{n:000}").Where(n => !taken.Contains(n)).Take(count).ToList();
        ImmutableArray<string> Grown(ImmutableArray<string> on) => on.IsEmpty ? on : [.. on, .. names];
        return snapshot with
        {
            Hosts = [.. snapshot.Hosts, .. names.Select(n => new SnapshotHost(n, cpuMhz, memMb))],
            Vms = [.. snapshot.Vms.Select(v => v with { OnlyOn = Grown(v.OnlyOn), StartsOn = v.StartsOn is { } on ? Grown(on) : null })],
        };
    }

    private static int Best(ClusterState state, int vm)
    {
        var (best, least) = (-1, double.PositiveInfinity);
        for (var host = 0; host < state.CpuLoad.Length; host++)
        {
            var load = state.LoadWith(vm, host);
            if (load < least && state.CpuLoadWith(vm, host) <= 1 && state.HasRoom(vm, host))
                (best, least) = (host, load);
        }

        return best;
    }

    private static IEnumerable<string> Lacks(ClusterState state, int vm, int host)
    {
        foreach (var reason in HostRefusals.Room(state, vm, host))
            yield return reason;
        if (state.CpuLoadWith(vm, host) > 1)
            yield return FormattableString.Invariant($"CPU would be at {100 * state.CpuLoadWith(vm, host):0} %");
    }
}
