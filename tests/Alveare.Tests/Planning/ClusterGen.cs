using System.Collections.Immutable;
using Alveare.Planning.Snapshots;
using CsCheck;

namespace Alveare.Tests.Planning;

/// <summary>Random small clusters with rules that are kept, broken and at odds with each other.</summary>
internal static class ClusterGen
{
    public static readonly Gen<ClusterSnapshot> Any = Sized(6, 16, rules: true);

    public static readonly Gen<ClusterSnapshot> WithoutRules = Sized(6, 16, rules: false);

    /// <summary>Small enough to try every placement.</summary>
    public static readonly Gen<ClusterSnapshot> Tiny = Sized(3, 6, rules: false);

    /// <summary>Tiny, with rules, and hosts so full that a machine often finds room only when another makes it.</summary>
    public static readonly Gen<ClusterSnapshot> Tight =
        from cluster in Sized(4, 7, rules: true)
        from sizes in Gen.Int[1, 6].Array[7]
        select cluster with
        {
            Hosts = [.. cluster.Hosts.Select((h, n) => h with { CpuMhz = 30_000, MemMb = 1024 * (8 + (2 * (sizes[n] % 3))) })],
            Vms = [.. cluster.Vms.Select((v, n) => v with { ConsumedMb = 1024 * sizes[n], ActiveMb = 512 * sizes[n] })],
        };

    /// <summary>With machines each of which asks for as much CPU as one host has, or up to five: what evens out most then is to break a rule.</summary>
    public static readonly Gen<ClusterSnapshot> Overloaded =
        from cluster in Gen.OneOf(Any, Tight)
        from asked in Gen.Int[-10, 5].Array[16]
        select cluster with
        {
            Vms = [.. cluster.Vms.Select((v, n) => asked[n] > 0 ? v with { CpuDemandMhz = asked[n] * cluster.Hosts[0].CpuMhz, CpuLimitMhz = -1 } : v)],
        };

    /// <summary>The same cluster written down in another order.</summary>
    public static ClusterSnapshot Shuffled(ClusterSnapshot snapshot, int seed) => snapshot with
    {
        Hosts = Shuffled(snapshot.Hosts, seed),
        Vms = Shuffled(snapshot.Vms, seed),
        Rules = [.. Shuffled(snapshot.Rules, seed).Select(r => r with { Vms = Shuffled(r.Vms, seed), Hosts = Shuffled(r.Hosts, seed) })],
    };

    /// <summary>A cluster in words, for what a test says when it fails.</summary>
    public static string Text(ClusterSnapshot snapshot) => string.Join(
        "; ", [.. snapshot.Hosts.Select(h => $"{h}"), .. snapshot.Vms.Select(v => $"{v} only on {string.Join(' ', v.OnlyOn)}"), .. snapshot.Rules.Select(r => $"{r} {string.Join(' ', r.Vms)} {string.Join(' ', r.Hosts)}")]);

    private static Gen<ClusterSnapshot> Sized(int mostHosts, int mostVms, bool rules) =>
        from hosts in Host.Array[2, mostHosts]
        from vms in Vm.Array[1, mostVms]
        from drawn in Rule.Array[0, rules ? 4 : 0]
        select new ClusterSnapshot
        {
            Hosts = [.. hosts.Select((h, n) => h with { Id = $"h{n}" })],
            Vms = [.. vms.Select((v, n) => v with { Id = $"vm{n:00}", Host = $"h{v.Vcpus % hosts.Length}" })],
            Rules = [.. drawn.Select((r, n) => Named(r, n, vms.Length, hosts.Length)).Where(r => r.Vms.Length > 0)],
        };

    private static Gen<SnapshotHost> Host => Gen.Select(Gen.Int[1, 3], Gen.Int[1, 3], (cpu, mem) => new SnapshotHost("", 10_000 * cpu, 32_768 * mem));

    private static Gen<SnapshotVm> Vm => Gen.Select(
        Gen.Int[0, 100],
        Gen.Select(Gen.Int[0, 4_000], Gen.Int[0, 8_192], Gen.Int[0, 100]),
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[-1, 3_000]),
        (place, use, promised) => new SnapshotVm
        {
            Id = "",
            Host = "",
            Vcpus = place,
            CpuDemandMhz = use.Item1,
            MemMb = 8_192,
            ConsumedMb = use.Item2,
            ActiveMb = use.Item2 * use.Item3 / 100,
            CpuReservationMhz = promised.Item1 == 0 ? 1_000 : 0,
            MemReservationMb = promised.Item2 == 0 ? 1_024 : 0,
            CpuLimitMhz = promised.Item3 < 0 ? -1 : promised.Item3,
        });

    private static Gen<(int Kind, int[] Vms, int[] Hosts)> Rule => Gen.Select(Gen.Int[0, 2], Gen.Int[0, 99].Array[2, 3], Gen.Int[0, 99].Array[1, 2]);

    private static SnapshotRule Named((int Kind, int[] Vms, int[] Hosts) rule, int number, int vms, int hosts) => new(
        $"r{number}",
        (RuleKind)rule.Kind,
        [.. rule.Vms.Select(v => $"vm{v % vms:00}").Distinct()],
        rule.Kind == (int)RuleKind.OnHosts ? [.. rule.Hosts.Select(h => $"h{h % hosts}").Distinct()] : [])
    {
        Priority = rule.Vms[0],
        IsMust = rule.Vms[1] % 3 > 0,
    };

    private static ImmutableArray<T> Shuffled<T>(ImmutableArray<T> items, int seed)
    {
        var shuffled = items.ToArray();
        new Random(seed).Shuffle(shuffled);
        return [.. shuffled];
    }
}
