using System.Collections.Immutable;
using System.Globalization;

namespace Alveare.Planning.Snapshots;

/// <summary>What a snapshot says that cannot be, so that nothing is planned on it. Rules that contradict each other are not here:
/// such a cluster exists, and what can be mended in it is mended.</summary>
public static class SnapshotChecks
{
    /// <summary>MHz and MB beyond which nothing is: sums and squares of more are no numbers any longer.</summary>
    private const double Most = 1e12;

    /// <summary>Each problem as one sentence that names the object; in the order of the file.</summary>
    public static ImmutableArray<string> ProblemsOf(ClusterSnapshot snapshot)
    {
        var hosts = new HashSet<string>(StringComparer.Ordinal);
        var asleep = new HashSet<string>(StringComparer.Ordinal);
        var vms = new HashSet<string>(StringComparer.Ordinal);
        var rules = new HashSet<string>(StringComparer.Ordinal);
        return
        [
            .. snapshot.Hosts.SelectMany(h => Host(h, hosts)),
            .. snapshot.Asleep.SelectMany(h => Host(h, asleep)),
            .. snapshot.Asleep.Where(h => hosts.Contains(h.Id)).Select(h => $"host '{h.Id}' is asleep and is there too"),
            .. snapshot.Vms.SelectMany(v => Vm(v, vms, hosts)),
            .. snapshot.Rules.SelectMany(r => Rule(r, rules, vms)),
        ];
    }

    private static IEnumerable<string> Host(SnapshotHost host, HashSet<string> seen)
    {
        if (host.Id.Length == 0 || !seen.Add(host.Id))
            yield return host.Id.Length == 0 ? "a host has an empty id" : $"host '{host.Id}' is there twice";
        if (!(host.CpuMhz > 0 && host.CpuMhz <= Most))
            yield return $"host '{host.Id}': cpuMhz is {Text(host.CpuMhz)}, expected more than 0, and at most {Text(Most)}";
        if (!(host.MemMb > 0 && host.MemMb <= Most))
            yield return $"host '{host.Id}': memMb is {Text(host.MemMb)}, expected more than 0, and at most {Text(Most)}";
    }

    private static IEnumerable<string> Vm(SnapshotVm vm, HashSet<string> seen, HashSet<string> hosts)
    {
        if (vm.Id.Length == 0 || !seen.Add(vm.Id))
            yield return vm.Id.Length == 0 ? "a vm has an empty id" : $"vm '{vm.Id}' is there twice";
        if (!hosts.Contains(vm.Host))
            yield return $"vm '{vm.Id}' is on the unknown host '{vm.Host}'";
        if (!IsAmount(vm.CpuDemandMhz))
            yield return Wrong(vm, "cpuDemandMhz", vm.CpuDemandMhz);
        if (!IsAmount(vm.MemMb))
            yield return Wrong(vm, "memMb", vm.MemMb);
        if (!IsAmount(vm.ConsumedMb))
            yield return Wrong(vm, "consumedMb", vm.ConsumedMb);
        if (!IsAmount(vm.ActiveMb))
            yield return Wrong(vm, "activeMb", vm.ActiveMb);
        if (!IsAmount(vm.CpuReservationMhz))
            yield return Wrong(vm, "cpuReservationMhz", vm.CpuReservationMhz);
        if (!IsAmount(vm.MemReservationMb))
            yield return Wrong(vm, "memReservationMb", vm.MemReservationMb);
        if (!IsAmount(vm.CpuShares))
            yield return Wrong(vm, "cpuShares", vm.CpuShares);
        if (!IsAmount(vm.MemShares))
            yield return Wrong(vm, "memShares", vm.MemShares);
        if (!IsLimit(vm.CpuLimitMhz))
            yield return $"{Wrong(vm, "cpuLimitMhz", vm.CpuLimitMhz)}, or -1 for none";
        if (!IsLimit(vm.MemLimitMb))
            yield return $"{Wrong(vm, "memLimitMb", vm.MemLimitMb)}, or -1 for none";
    }

    private static IEnumerable<string> Rule(SnapshotRule rule, HashSet<string> seen, HashSet<string> vms)
    {
        if (rule.Id.Length == 0 || !seen.Add(rule.Id))
            yield return rule.Id.Length == 0 ? "a rule has an empty id" : $"rule '{rule.Id}' is there twice";
        foreach (var vm in rule.Vms)
        {
            if (!vms.Contains(vm))
                yield return $"rule '{rule.Id}' names the unknown vm '{vm}'";
        }

        if (rule.Vms.Distinct(StringComparer.Ordinal).Count() < rule.Vms.Length)
            yield return $"rule '{rule.Id}' names a vm twice";
    }

    private static bool IsAmount(double number) => number is >= 0 and <= Most;

    private static bool IsLimit(double number) => number == -1 || IsAmount(number);

    private static string Wrong(SnapshotVm vm, string member, double given) =>
        $"vm '{vm.Id}': {member} is {Text(given)}, expected 0 to {Text(Most)}";

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}
