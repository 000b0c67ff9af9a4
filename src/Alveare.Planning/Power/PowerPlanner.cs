using System.Collections.Immutable;
using System.Globalization;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Power;

/// <summary>Decides which hosts of a cluster sleep and which are woken: by what is used of those that are on, kept within a band around a target.</summary>
/// <remarks><para>After Gulati et al. 2012 ("VMware Distributed Resource Management", section on power management): hosts are woken when the band is
/// left upwards, and put to standby when it is left downwards, one after the other as long as what stays on is used to the target at most. That is half
/// a band below where it would be woken again, so nothing goes back and forth.</para>
/// <para>A host sleeps only if its machines find places among those that stay on, with room for all that they are promised and no rule broken, and
/// without loading any of these above the band. The emptiest host first; ties go to the lower id. What is woken is the smallest host that is enough, or
/// else the largest and so on, without any that turns out not to be needed.</para>
/// <para>On the average nothing may be needed and one host be asked for more CPU than it has all the same, because rules or memory keep its machines off the
/// others. While that is so none sleeps, and one that would relieve it is woken.</para></remarks>
public static class PowerPlanner
{
    /// <summary>So many hosts are tried for the relief of another, the smallest ones.</summary>
    private const int MostTried = 4;

    /// <summary>What a host must be worth to an overloaded one, as a share of its CPU.</summary>
    private const double LeastRelief = 0.01;

    /// <summary>The steps, which are either all wakes or all standbys; in the order in which they are to be done.</summary>
    public static ImmutableArray<PowerStep> Plan(PowerView view, PowerTerms terms)
    {
        view = InOrder(view);
        var wakes = Wakes(view, terms);
        if (!wakes.IsEmpty || !view.Coming.IsEmpty)
            return wakes;
        return Worst(view.Snapshot) is > 1 and var worst ? Reliefs(view, worst) : Standbys(view, terms);
    }

    /// <summary>As <see cref="Plan"/>, with how much of the hosts is needed before and after it.</summary>
    public static PowerPlan Explained(PowerView view, PowerTerms terms)
    {
        var steps = Plan(view, terms);
        var changed = steps.Select(s => s.Host).ToHashSet(StringComparer.Ordinal);
        ImmutableArray<SnapshotHost> on = [.. view.Snapshot.Hosts, .. view.Coming];
        ImmutableArray<SnapshotHost> after = [.. on.Where(h => !changed.Contains(h.Id)), .. view.Asleep.Where(h => changed.Contains(h.Id))];
        var load = PowerLoad.Of(view, null);
        return new(steps, terms, new(on.Length, load.Of(on)), new(after.Length, load.Of(after)));
    }

    // A sum of fractions ends in another digit when it is added in another order, and that would decide ties.
    private static PowerView InOrder(PowerView view) => view with
    {
        Snapshot = view.Snapshot with { Hosts = InOrder(view.Snapshot.Hosts), Vms = [.. view.Snapshot.Vms.OrderBy(v => v.Id, StringComparer.Ordinal)] },
        Coming = InOrder(view.Coming),
        Asleep = InOrder(view.Asleep),
    };

    private static ImmutableArray<SnapshotHost> InOrder(ImmutableArray<SnapshotHost> hosts) => [.. hosts.OrderBy(h => h.Id, StringComparer.Ordinal)];

    private static ImmutableArray<PowerStep> Wakes(PowerView view, PowerTerms terms)
    {
        var load = PowerLoad.Of(view, view.Soon);
        List<SnapshotHost> on = [.. view.Snapshot.Hosts, .. view.Coming];
        if (WhyWake(view, load, on, terms, hasBegun: false) is null)
            return [];
        var steps = ImmutableArray.CreateBuilder<PowerStep>();
        foreach (var next in ToWake(view, more => WhyWake(view, load, [.. on, .. more], terms, hasBegun: true) is null))
        {
            var why = WhyWake(view, load, on, terms, hasBegun: steps.Count > 0);
            on.Add(next);
            steps.Add(new(PowerAction.Wake, next.Id, string.Create(CultureInfo.InvariantCulture, $"{why}; with {next.Id} {100 * load.Of(on):0.0} % of them are")));
        }

        return steps.ToImmutable();
    }

    private static ImmutableArray<PowerStep> Reliefs(PowerView view, double before)
    {
        var steps = ImmutableArray.CreateBuilder<PowerStep>();
        var (snapshot, asleep) = (view.Snapshot, BySize(view.Asleep));
        var least = asleep.Count == 0 ? before : Balanced(snapshot);
        while (least > 1 && asleep.Take(MostTried).Select(h => (Host: h, Worst: Balanced(With(snapshot, h)))).FirstOrDefault(h => h.Worst < least - LeastRelief) is { Host: { } host } found)
        {
            steps.Add(new(PowerAction.Wake, host.Id, string.Create(
                CultureInfo.InvariantCulture,
                $"a host is asked for {100 * before:0.0} % of its CPU, and {100 * least:0.0} % is the least that moves among those that are on can make it; with {host.Id} it is {100 * found.Worst:0.0} %")));
            (snapshot, least) = (With(snapshot, host), found.Worst);
            asleep.Remove(host);
        }

        return steps.ToImmutable();
    }

    private static ClusterSnapshot With(ClusterSnapshot snapshot, SnapshotHost host) => snapshot with { Hosts = snapshot.Hosts.Add(host) };

    /// <summary>CPU load of the host that is asked for most, as a share of what it has.</summary>
    private static double Worst(ClusterSnapshot snapshot) => ClusterFigures.Of(new ClusterState(new Cluster(snapshot))).MaxCpu;

    /// <summary>As <see cref="Worst"/>, once balancing has done what it can.</summary>
    private static double Balanced(ClusterSnapshot snapshot) => Balancer.Plan(new Cluster(snapshot), BalanceLevel.Of(BalanceLevel.Highest), isThorough: false).After.MaxCpu;

    private static List<SnapshotHost> BySize(ImmutableArray<SnapshotHost> hosts) => [.. hosts.OrderBy(h => Size(h, hosts)).ThenBy(h => h.Id, StringComparer.Ordinal)];

    /// <summary>Hosts that sleep and are enough, none of which the others could do without; all of them when no number is enough.</summary>
    private static List<SnapshotHost> ToWake(PowerView view, Func<IEnumerable<SnapshotHost>, bool> isEnough)
    {
        var asleep = BySize(view.Asleep);
        var woken = new List<SnapshotHost>();
        while (asleep.Count > 0 && !isEnough(woken))
        {
            var next = asleep.Find(h => isEnough([.. woken, h])) ?? asleep[^1];
            asleep.Remove(next);
            woken.Add(next);
        }

        // One that was not enough may be one too many beside those that came after it: it would be put to standby again at once.
        foreach (var host in woken.ToList())
        {
            if (isEnough(woken.Where(h => h != host)))
                woken.Remove(host);
        }

        return woken;
    }

    /// <summary>Why a host more is needed, or null. Once one is woken, it goes on until the target is reached.</summary>
    private static string? WhyWake(PowerView view, PowerLoad load, List<SnapshotHost> on, PowerTerms terms, bool hasBegun)
    {
        if (on.Count < terms.LeastHosts)
            return string.Create(CultureInfo.InvariantCulture, $"{on.Count} hosts are on, and {terms.LeastHosts} are to be");
        if (terms.KeepsSpare && !load.FitsWithoutOne(on))
            return string.Create(CultureInfo.InvariantCulture, $"the {on.Count} hosts that are on could not carry their machines if one failed");
        var used = load.Of(on);
        if (used <= (hasBegun ? terms.Target : terms.Upper))
            return null;
        var isExpected = load != PowerLoad.Of(view, null);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{100 * used:0.0} % of the hosts that are on {(isExpected ? "will be needed, by the same hour of earlier weeks" : "are needed")}, and at most {100 * (hasBegun ? terms.Target : terms.Upper):0.#} % should be");
    }

    private static ImmutableArray<PowerStep> Standbys(PowerView view, PowerTerms terms)
    {
        var steps = ImmutableArray.CreateBuilder<PowerStep>();
        var snapshot = view.Snapshot;
        var load = PowerLoad.Of(view, view.Later);
        var (before, hosts) = (load.Of(snapshot.Hosts), snapshot.Hosts.Length);
        if (before >= terms.Lower)
            return [];
        // Again from the start after each: what had no place, or a rule in its way, may have it now.
        while (Next(snapshot, load, view, terms) is { } next)
        {
            snapshot = next.After;
            steps.Add(new(PowerAction.Standby, next.Host, string.Create(
                CultureInfo.InvariantCulture,
                $"{100 * before:0.0} % of {hosts} hosts is needed, less than {100 * terms.Lower:0.#} %; of {snapshot.Hosts.Length} without {next.Host} it is {100 * load.Of(snapshot.Hosts):0.0} %, and {100 * terms.Target:0.#} % may be")));
        }

        return steps.ToImmutable();
    }

    private static (string Host, ClusterSnapshot After)? Next(ClusterSnapshot snapshot, PowerLoad load, PowerView view, PowerTerms terms)
    {
        if (snapshot.Hosts.Length <= terms.LeastHosts)
            return null;
        var taken = snapshot.Vms.GroupBy(v => v.Host).ToDictionary(g => g.Key, g => g.Sum(v => v.ConsumedMb), StringComparer.Ordinal);
        foreach (var host in snapshot.Hosts
            .Where(h => view.MaySleep.Contains(h.Id))
            .OrderBy(h => taken.GetValueOrDefault(h.Id))
            .ThenBy(h => h.Id, StringComparer.Ordinal))
        {
            var rest = snapshot.Hosts.Remove(host);
            if (load.Of(rest) <= terms.Target && (!terms.KeepsSpare || load.FitsWithoutOne(rest)) && Without(snapshot, host, terms) is { } after)
                return (host.Id, after);
        }

        return null;
    }

    /// <summary>The cluster once the host is empty and gone; null when it cannot be emptied, or others would be loaded too much.</summary>
    private static ClusterSnapshot? Without(ClusterSnapshot snapshot, SnapshotHost host, PowerTerms terms)
    {
        // For a host to sleep the others' machines stay where they are.
        var plan = Evacuation.Maintenance(snapshot, host.Id, mayHelp: _ => false);
        if (!plan.Stuck.IsEmpty)
            return null;
        var to = plan.Moves.ToDictionary(m => m.Vm, m => m.To, StringComparer.Ordinal);
        var after = snapshot.WithMoved(to) with { Hosts = snapshot.Hosts.Remove(host) };
        // Maintenance may break what only should hold; saving power may not.
        var broken = new ClusterState(new Cluster(snapshot)).Broken;
        var (state, targets) = (new ClusterState(new Cluster(after)), to.Values.ToHashSet(StringComparer.Ordinal));
        var isTooMuch = state.Cluster.Hosts.Where(h => targets.Contains(h.Id))
            .Select(h => state.Cluster.HostNumbers[h.Id])
            .Any(h => Math.Max(state.CpuLoad[h], state.MemLoad[h]) > terms.Upper);
        return isTooMuch || state.Broken > broken ? null : after;
    }

    internal static double Size(SnapshotHost host, ImmutableArray<SnapshotHost> among) =>
        (host.CpuMhz / among.Max(h => h.CpuMhz)) + (host.MemMb / among.Max(h => h.MemMb));
}
