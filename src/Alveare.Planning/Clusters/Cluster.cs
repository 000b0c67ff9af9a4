using Alveare.Planning.Rules;
using Alveare.Planning.Sharing;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Clusters;

/// <summary>A snapshot with hosts, machines and rules as numbers in the order of their ids, so that arithmetic over ten thousand machines is
/// arithmetic over arrays and the order of the input is forgotten.</summary>
public sealed class Cluster
{
    private const double MbPerGb = 1024;

    private readonly bool[]?[] _usable;

    /// <param name="machines">How many machines each stands for, by id; one where it is not there.</param>
    public Cluster(ClusterSnapshot snapshot, IReadOnlyDictionary<string, int>? machines = null)
    {
        Snapshot = snapshot;
        Hosts = [.. snapshot.Hosts.OrderBy(h => h.Id, StringComparer.Ordinal)];
        Vms = [.. snapshot.Vms.OrderBy(v => v.Id, StringComparer.Ordinal)];
        HostNumbers = Numbers(Hosts, h => h.Id);
        VmNumbers = Numbers(Vms, v => v.Id);
        Rules = new RuleBook(snapshot.Rules, VmNumbers, HostNumbers);
        Start = [.. Vms.Select(v => HostNumbers.GetValueOrDefault(v.Host, ClusterState.Nowhere))];
        Cpu = [.. Vms.Select(CpuOf)];
        Mem = [.. Vms.Select(MemOf)];
        Consumed = [.. Vms.Select(v => v.ConsumedMb)];
        Gb = [.. Vms.Select(v => v.ConsumedMb / MbPerGb)];
        Machines = [.. Vms.Select(v => machines?.GetValueOrDefault(v.Id, 1) ?? 1)];
        _usable = [.. Vms.Select(UsableBy)];
        MeanHostGb = Hosts.Length == 0 ? 1 : Hosts.Average(h => h.MemMb) / MbPerGb;
    }

    public ClusterSnapshot Snapshot { get; }

    public SnapshotHost[] Hosts { get; }

    public SnapshotVm[] Vms { get; }

    public IReadOnlyDictionary<string, int> HostNumbers { get; }

    public IReadOnlyDictionary<string, int> VmNumbers { get; }

    public RuleBook Rules { get; }

    /// <summary>Host of each machine; <see cref="ClusterState.Nowhere"/> of a new one.</summary>
    public int[] Start { get; }

    /// <summary>CPU that each machine would use, MHz.</summary>
    public double[] Cpu { get; }

    /// <summary>Memory that each machine works with, MB.</summary>
    public double[] Mem { get; }

    /// <summary>Memory that each machine takes, MB.</summary>
    public double[] Consumed { get; }

    /// <summary>What a move of each machine sends over the network, GB.</summary>
    public double[] Gb { get; }

    /// <summary>How many machines each stands for: more than one for a group that moves as one (see <see cref="MoveUnits"/>).</summary>
    public int[] Machines { get; }

    public double MeanHostGb { get; }

    public double VmsPerHost => Hosts.Length == 0 ? 1 : Math.Max(1, Vms.Length / (double)Hosts.Length);

    /// <summary>Whether the machine can run on the host at all, whatever room there is.</summary>
    public bool CanRun(int vm, int host) => _usable[vm] is not { } usable || usable[host];

    /// <summary>CPU that a machine would use: what it asks for, up to its limit.</summary>
    public static double CpuOf(SnapshotVm vm) => vm.CpuLimitMhz < 0 ? vm.CpuDemandMhz : Math.Min(vm.CpuDemandMhz, vm.CpuLimitMhz);

    /// <summary>Memory that a machine works with: what it touches and a quarter of the rest.</summary>
    public static double MemOf(SnapshotVm vm) => MemoryClaims.WorkedWith(vm.ConsumedMb, vm.ActiveMb);

    private bool[]? UsableBy(SnapshotVm vm)
    {
        if (vm.OnlyOn.IsEmpty)
            return null;
        var usable = new bool[Hosts.Length];
        foreach (var host in vm.OnlyOn)
        {
            if (HostNumbers.TryGetValue(host, out var number))
                usable[number] = true;
        }

        return usable;
    }

    private static Dictionary<string, int> Numbers<T>(T[] items, Func<T, string> id)
    {
        var numbers = new Dictionary<string, int>(items.Length, StringComparer.Ordinal);
        for (var number = 0; number < items.Length; number++)
            numbers.Add(id(items[number]), number);
        return numbers;
    }
}
