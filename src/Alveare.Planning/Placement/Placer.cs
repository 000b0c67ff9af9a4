using System.Collections.Immutable;
using System.Globalization;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Planning.Rules;

namespace Alveare.Planning.Placement;

/// <summary>Where a machine goes, or why it goes nowhere.</summary>
/// <param name="Host">Null when no host fits: then every host is among the refusals.</param>
/// <param name="Refusals">The hosts that do not fit, in id order, each with all its reasons.</param>
/// <param name="Fitting">The hosts that fit, the best first.</param>
public sealed record PlacementAnswer(EntityId? Host, ImmutableArray<HostRefusal> Refusals, ImmutableArray<HostRoom> Fitting);

/// <summary>The host that a machine is registered on: it starts there without being registered elsewhere.</summary>
/// <param name="IsAtAnyLoad">It is taken whenever it fits and breaks no rule, however loaded it is: nobody evens out load there.</param>
public readonly record struct PreferredHost(EntityId Id, bool IsAtAnyLoad = false);

/// <summary>Chooses the host of a new or starting machine.</summary>
/// <remarks>First what fits, then the least loaded: the host whose scarcer resource (memory promised or CPU asked for, as a share of what
/// it has) has most left with the machine on it. The scarcer one decides because it is the one that runs out; an average would send a
/// machine to a host with idle CPUs and no memory. Among equals it is the one whose machines, those that are off too, have the least memory for its size, so that machines
/// that are made one after the other and stay off are not all on one host when they start; then the lower id, so the order of the input does not matter. Before all that come the rules
/// that are broken there: those that must hold (broken wherever it may go) first, then those that should, by their priorities.</remarks>
public static class Placer
{
    /// <summary>How much more loaded than the best host the preferred one may be, as a share of what it has.</summary>
    /// <remarks>Loads of hosts change by as much within minutes, so that less says nothing of where a machine is better off; and people find machines where they
    /// have left them.</remarks>
    public const double Margin = 0.1;

    /// <param name="preferred">Taken if it fits, breaks no rule, and with the machine is loaded to no more than it has and by at most <see cref="Margin"/>
    /// more than the best host.</param>
    public static PlacementAnswer Choose(MachineNeeds needs, IEnumerable<HostRoom> hosts, PreferredHost? preferred = null)
    {
        var checkedHosts = hosts.OrderBy(h => h.Id).Select(h => (Host: h, Faults: HostFit.Check(needs, h))).ToImmutableArray();
        var fitting = checkedHosts.Where(c => c.Faults.IsEmpty).Select(c => c.Host).OrderBy(h => Order(needs, h)).ToImmutableArray();
        var best = fitting.FirstOrDefault();
        var chosen = fitting.FirstOrDefault(h => h.Id == preferred?.Id && h.BrokenRules.IsEmpty && (preferred.Value.IsAtAnyLoad || IsNearly(Load(needs, h), Load(needs, best!)))) ?? best;
        return new PlacementAnswer(
            chosen?.Id,
            [.. checkedHosts.Where(c => !c.Faults.IsEmpty).Select(c => new HostRefusal(c.Host.Id, c.Host.Name, Reason(c.Faults)))],
            fitting);
    }

    private static (int Must, int Should, double Load, double Registered, EntityId Id) Order(MachineNeeds needs, HostRoom host)
    {
        var broken = host.BrokenRules.Aggregate(default(RuleChange), (sum, rule) => sum + rule.Weight);
        return (broken.Must, broken.Should, Load(needs, host), Share(host.MemoryRegistered.Value, host.MemoryForGuests.Value), host.Id);
    }

    /// <summary>How loaded a host would be with the machine on it: 0 empty, 1 full.</summary>
    public static double Load(MachineNeeds needs, HostRoom host) => Math.Max(
        Share(host.MemoryPromised.Value + (double)needs.Memory.Value, host.MemoryForGuests.Value),
        Share(host.CpuDemand.Value + (double)host.CpuComing.Value, host.CpuCapacity.Value));

    /// <summary>Why a machine goes to another host than this one, for people, without a point at the end.</summary>
    /// <param name="answer">Of hosts among which both are.</param>
    public static string WhyElsewhere(MachineNeeds needs, PlacementAnswer answer, EntityId host) =>
        answer.Refusals.FirstOrDefault(r => r.Host == host) is { } refusal ? refusal.Reason
        : answer.Fitting.FirstOrDefault(h => h.Id == host) is { BrokenRules: [var rule, ..] } breaking ? $"on '{breaking.Name}' it would break {rule.Text}"
        : string.Create(CultureInfo.InvariantCulture, $"with it {string.Join(", ", answer.Fitting.Select(h => $"'{h.Name}' is used to {100 * Load(needs, h):0} %"))}");

    private static bool IsNearly(double load, double best) => load <= 1 && load <= best + Margin;

    // A host that has nothing of a resource is as loaded as can be, not a division by zero.
    private static double Share(double taken, long capacity) => capacity <= 0 ? 1 : taken / capacity;

    internal static string Reason(ImmutableArray<Fault> faults) => string.Join(", ", faults.Select(f => f.Message.TrimEnd('.')));
}
