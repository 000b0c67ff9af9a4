using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Planning.Balancing;
using Alveare.Planning.Power;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.WhatIf;

/// <summary>Which machines would move.</summary>
public sealed record BalanceQuestion
{
    public const int DefaultLevel = 3;

    /// <summary>1 (rules only) to 5 (every small gain).</summary>
    public int Level { get; init; } = DefaultLevel;

    /// <summary>Null for as many as are worth it.</summary>
    public int? MaxMoves { get; init; }
}

/// <summary>Where a new machine would go.</summary>
public sealed record PlaceQuestion
{
    public required Bytes Memory { get; init; }

    /// <summary>CPU that it will ask for.</summary>
    public Megahertz Cpu { get; init; }

    public Megahertz CpuReservation { get; init; }

    public Bytes MemoryReservation { get; init; }

    /// <summary>Machines it is to share its host with.</summary>
    public ImmutableArray<string> TogetherWith { get; init; } = [];

    /// <summary>Machines it is not to share a host with.</summary>
    public ImmutableArray<string> ApartFrom { get; init; } = [];

    /// <summary>Hosts it may be on; empty for any.</summary>
    public ImmutableArray<string> On { get; init; } = [];
}

/// <summary>What becomes of the machines of a host.</summary>
public sealed record HostQuestion
{
    public required string Host { get; init; }
}

/// <summary>How many more machines fit, and how many with more hosts.</summary>
public sealed record GrowQuestion
{
    /// <summary>The machine to have more of.</summary>
    public required string Like { get; init; }

    /// <summary>How many more are wanted; null for as many as fit.</summary>
    public int? Vms { get; init; }

    /// <summary>So many more hosts; null for one when their size is given.</summary>
    public int? Hosts { get; init; }

    public Megahertz? HostCpu { get; init; }

    public Bytes? HostMemory { get; init; }
}

/// <summary>Which hosts would sleep or wake, by what is needed now.</summary>
public sealed record PowerQuestion
{
    /// <summary>Percent of the hosts that are on which is to be used.</summary>
    public int Target { get; init; } = PowerSavingSettings.Default.TargetPercent;

    /// <summary>Percent around the target.</summary>
    public int Band { get; init; } = PowerSavingSettings.Default.BandPercent;

    /// <summary>So many hosts stay on.</summary>
    public int LeastHosts { get; init; } = PowerSavingSettings.Default.LeastHosts;

    /// <summary>The hosts that are on must be able to carry their machines if any one of them fails.</summary>
    public bool KeepSpare { get; init; }
}

/// <summary>How many more fit now, and with more hosts where that was asked.</summary>
public sealed record GrowthAnswer(GrowthPlan Now, GrowthPlan? Grown);

/// <summary>Answers questions about a cluster: the one way in for the command line and REST.</summary>
/// <remarks>What cannot be asked is a fault: <see cref="NotFound"/> for what the snapshot does not have, <see cref="InvalidArgument"/> for
/// what is out of its range.</remarks>
public static class Answering
{
    private const int MostHosts = 10_000;
    private const string Question = "The question";

    public static BalancePlan Balance(ClusterSnapshot snapshot, BalanceQuestion question)
    {
        Require(question.Level is >= BalanceLevel.RulesOnly and <= BalanceLevel.Highest, "the level", question.Level, $"{BalanceLevel.RulesOnly} to {BalanceLevel.Highest}");
        Require(question.MaxMoves is null or >= 0, "the most moves", question.MaxMoves, "0 or more");
        return Balancer.Plan(snapshot.WithStaying(v => v.IsLeftAlone), BalanceLevel.Of(question.Level), question.MaxMoves);
    }

    public static PlacementPlan Place(ClusterSnapshot snapshot, PlaceQuestion question)
    {
        Require(question.Memory.Value >= 0, "the memory", question.Memory.Value, "0 or more");
        Require(question.MemoryReservation.Value >= 0, "the memory reservation", question.MemoryReservation.Value, "0 or more");
        Require(question.Cpu.Value >= 0, "the CPU", question.Cpu.Value, "0 or more");
        Require(question.CpuReservation.Value >= 0, "the CPU reservation", question.CpuReservation.Value, "0 or more");
        var asked = question.Memory.Mb;
        var vm = new SnapshotVm
        {
            Id = snapshot.UnusedVm(PlacementQuestion.Vm),
            Host = "",
            MemMb = asked,
            ConsumedMb = asked,
            ActiveMb = asked,
            CpuDemandMhz = question.Cpu.Value,
            CpuReservationMhz = question.CpuReservation.Value,
            MemReservationMb = snapshot.IsMemoryPromised ? Math.Max(asked, question.MemoryReservation.Mb) : question.MemoryReservation.Mb,
        };
        return PlacementQuestion.Ask(snapshot, vm, Rules(snapshot, vm.Id, question));
    }

    public static EvacuationPlan Maintenance(ClusterSnapshot snapshot, HostQuestion question) => Evacuation.Maintenance(snapshot, Host(snapshot, question.Host));

    public static EvacuationPlan Fail(ClusterSnapshot snapshot, HostQuestion question) => Evacuation.Failure(snapshot, Host(snapshot, question.Host));

    /// <summary>Every host of the snapshot may sleep, unless a machine can run nowhere else.</summary>
    public static PowerPlan Power(ClusterSnapshot snapshot, PowerQuestion question)
    {
        var asked = new PowerSavingSettings { TargetPercent = question.Target, BandPercent = question.Band, LeastHosts = question.LeastHosts, KeepsSpare = question.KeepSpare };
        return PowerPlanner.Explained(new PowerView(snapshot.WithStaying(v => v.IsLeftAlone), [.. snapshot.Hosts.Select(h => h.Id)], [], snapshot.Asleep), PowerTerms.Of(asked, Question));
    }

    public static GrowthAnswer Grow(ClusterSnapshot snapshot, GrowQuestion question)
    {
        Require(question.Vms is null or (>= 1 and <= Growth.Most), "the number of machines", question.Vms, $"1 to {Growth.Most}");
        Require(question.Hosts is null or (>= 1 and <= MostHosts), "the number of hosts", question.Hosts, $"1 to {MostHosts}");
        Require(question.HostCpu is null or { Value: > 0 }, "a new host's CPU", question.HostCpu?.Value, "more than 0");
        Require(question.HostMemory is null or { Value: > 0 }, "a new host's memory", question.HostMemory?.Value, "more than 0");
        var isComplete = question.HostCpu is null == question.HostMemory is null && (question.Hosts is null || question.HostCpu is not null);
        Require(isComplete, "a new host's size", "incomplete", "CPU and memory: give both");
        var (vm, most) = (Vm(snapshot, question.Like), question.Vms ?? Growth.Most);
        return new(
            Growth.Copies(snapshot, vm, most),
            question is { HostCpu: { } cpu, HostMemory: { } memory }
                ? Growth.Copies(Growth.WithHosts(snapshot, question.Hosts ?? 1, cpu.Value, memory.Mb), vm, most)
                : null);
    }

    private static IEnumerable<SnapshotRule> Rules(ClusterSnapshot snapshot, string asked, PlaceQuestion question)
    {
        foreach (var vm in question.TogetherWith)
            yield return new($"together with {vm}", RuleKind.Together, [asked, Vm(snapshot, vm)], []);
        foreach (var vm in question.ApartFrom)
            yield return new($"apart from {vm}", RuleKind.Apart, [asked, Vm(snapshot, vm)], []);
        if (!question.On.IsEmpty)
            yield return new("on", RuleKind.OnHosts, [asked], [.. question.On.Select(h => Host(snapshot, h))]);
    }

    private static string Host(ClusterSnapshot snapshot, string id) =>
        snapshot.Hosts.Any(h => h.Id == id) ? id : throw new FaultException(NotFound.Among(snapshot.Hosts.Select(h => h.Id), "host of the snapshot", id));

    private static string Vm(ClusterSnapshot snapshot, string id) =>
        snapshot.Vms.Any(v => v.Id == id) ? id : throw new FaultException(NotFound.Among(snapshot.Vms.Select(v => v.Id), "vm of the snapshot", id));

    private static void Require(bool isSo, string argument, object? given, string expected)
    {
        if (!isSo)
            throw new FaultException(new InvalidArgument(Question, argument, FormattableString.Invariant($"{given}"), expected));
    }
}
