namespace Alveare.Planning.Clusters;

/// <summary>Where the machines of a cluster are while something is being planned, with the sums that decide kept up to date by each move.</summary>
public sealed class ClusterState
{
    /// <summary>In place of a host: of a machine that is new, or whose host has failed.</summary>
    public const int Nowhere = -1;

    private readonly double[] _cpuPerMhz;
    private readonly double[] _memPerMb;

    public ClusterState(Cluster cluster)
    {
        Cluster = cluster;
        At = [.. cluster.Start];
        _cpuPerMhz = [.. cluster.Hosts.Select(h => 1 / h.CpuMhz)];
        _memPerMb = [.. cluster.Hosts.Select(h => 1 / h.MemMb)];
        var hosts = cluster.Hosts.Length;
        (CpuLoad, MemLoad, Consumed) = (new double[hosts], new double[hosts], new double[hosts]);
        (CpuReserved, MemReserved) = (new double[hosts], new double[hosts]);
        Recount();
    }

    public Cluster Cluster { get; }

    /// <summary>Host of each machine, or <see cref="Nowhere"/>.</summary>
    public int[] At { get; }

    /// <summary>CPU of each host that its machines ask for, as a share of what it has.</summary>
    public double[] CpuLoad { get; }

    /// <summary>Memory of each host that its machines work with, as a share of what it has.</summary>
    public double[] MemLoad { get; }

    /// <summary>Memory of each host that its machines take, MB.</summary>
    public double[] Consumed { get; }

    public double[] CpuReserved { get; }

    public double[] MemReserved { get; }

    public double[] CpuPerMhz => _cpuPerMhz;

    public double[] MemPerMb => _memPerMb;

    public int Broken => Cluster.Rules.Broken(At);

    /// <summary>Whether the host has the memory for the machine and can keep what was promised to it.</summary>
    public bool HasRoom(int vm, int host)
    {
        var (machine, target) = (Cluster.Vms[vm], Cluster.Hosts[host]);
        return Consumed[host] + machine.ConsumedMb <= target.MemMb
            && MemReserved[host] + machine.MemReservationMb <= target.MemMb
            && CpuReserved[host] + machine.CpuReservationMhz <= target.CpuMhz;
    }

    /// <summary>As <see cref="HasRoom(int, int)"/>, once another machine has left the host.</summary>
    public bool HasRoom(int vm, int host, int left)
    {
        var (machine, leaving, target) = (Cluster.Vms[vm], Cluster.Vms[left], Cluster.Hosts[host]);
        return Consumed[host] - leaving.ConsumedMb + machine.ConsumedMb <= target.MemMb
            && MemReserved[host] - leaving.MemReservationMb + machine.MemReservationMb <= target.MemMb
            && CpuReserved[host] - leaving.CpuReservationMhz + machine.CpuReservationMhz <= target.CpuMhz;
    }

    /// <summary>Whether the machine may come to the host: there is room, and no rule is broken that is not broken now.</summary>
    public bool MayMove(int vm, int host) =>
        HasRoom(vm, host) && (!Cluster.Rules.HasRules(vm) || Cluster.Rules.Change(vm, host, At) <= 0);

    public void Move(int vm, int to)
    {
        if (At[vm] >= 0)
            Add(vm, At[vm], -1);
        if (to >= 0)
            Add(vm, to, 1);
        At[vm] = to;
    }

    /// <summary>Counts one more machine like this one on a host.</summary>
    public void AddCopy(int vm, int host) => Add(vm, host, 1);

    private void Recount()
    {
        foreach (var sums in (ReadOnlySpan<double[]>)[CpuLoad, MemLoad, Consumed, CpuReserved, MemReserved])
            Array.Clear(sums);
        for (var vm = 0; vm < At.Length; vm++)
        {
            if (At[vm] >= 0)
                Add(vm, At[vm], 1);
        }
    }

    private void Add(int vm, int host, int sign)
    {
        CpuLoad[host] += sign * Cluster.Cpu[vm] * _cpuPerMhz[host];
        MemLoad[host] += sign * Cluster.Mem[vm] * _memPerMb[host];
        var machine = Cluster.Vms[vm];
        Consumed[host] += sign * machine.ConsumedMb;
        CpuReserved[host] += sign * machine.CpuReservationMhz;
        MemReserved[host] += sign * machine.MemReservationMb;
    }
}
