using System.Collections.Immutable;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.WhatIf;

/// <summary>Where a new machine would go.</summary>
/// <param name="Host">Null when no host may take it.</param>
public sealed record PlacementPlan(string? Host, ImmutableArray<HostOffer> Hosts);

/// <summary>What one host has to say to a new machine.</summary>
/// <param name="Load">Share of its scarcer resource that is used, or promised, with the machine on it (see <see cref="ClusterState.PlacedLoadWith"/>).</param>
/// <param name="Refusal">Why it does not take it; null when it does.</param>
public sealed record HostOffer(string Host, double Load, string? Refusal);

/// <summary>Asks where a new machine would go.</summary>
public static class PlacementQuestion
{
    /// <summary>What the machine that is asked about is called, unless another is.</summary>
    public const string Vm = "(new)";

    /// <param name="vm">Its id is none of the snapshot's; its host does not matter.</param>
    /// <param name="rules">Rules that are to hold for it, over it and others.</param>
    public static PlacementPlan Ask(ClusterSnapshot snapshot, SnapshotVm vm, IEnumerable<SnapshotRule> rules)
    {
        var cluster = new Cluster(snapshot with
        {
            Vms = snapshot.Vms.Add(vm with { Host = "" }),
            Rules = [.. snapshot.Rules, .. rules],
        });
        var (state, number) = (new ClusterState(cluster), cluster.VmNumbers[vm.Id]);
        var offers = Enumerable.Range(0, cluster.Hosts.Length).Select(host => Offer(state, number, host)).ToImmutableArray();
        return new(offers.Where(o => o.Refusal is null).MinBy(o => o.Load)?.Host, offers);
    }

    private static HostOffer Offer(ClusterState state, int vm, int host)
    {
        var reasons = HostRefusals.Of(state, vm, host);
        return new(state.Cluster.Hosts[host].Id, state.PlacedLoadWith(vm, host), reasons.Count == 0 ? null : string.Join(", ", reasons));
    }
}
