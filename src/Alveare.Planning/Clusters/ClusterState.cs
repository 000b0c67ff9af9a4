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

    /// <summary>Whether the machine can run on the host, which has the memory for it and can keep what was promised to it.</summary>
    public bool HasRoom(int vm, int host)
    {
        var machine = Cluster.Vms[vm];
        return Cluster.CanRun(vm, host) && Carries(host, machine.ConsumedMb, machine.MemReservationMb, machine.CpuReservationMhz);
    }

    /// <summary>As <see cref="HasRoom(int, int)"/>, once another machine has left the host.</summary>
    public bool HasRoom(int vm, int host, int left)
    {
        var (machine, leaving) = (Cluster.Vms[vm], Cluster.Vms[left]);
        return Cluster.CanRun(vm, host) && Carries(
            host, machine.ConsumedMb - leaving.ConsumedMb, machine.MemReservationMb - leaving.MemReservationMb, machine.CpuReservationMhz - leaving.CpuReservationMhz);
    }

    /// <summary>As <see cref="HasRoom(int, int)"/>, of two machines, of which the second is not asked whether it can run there.</summary>
    public bool HasRoomForBoth(int vm, int other, int host)
    {
        var (one, two) = (Cluster.Vms[vm], Cluster.Vms[other]);
        return Cluster.CanRun(vm, host) && Carries(
            host, one.ConsumedMb + two.ConsumedMb, one.MemReservationMb + two.MemReservationMb, one.CpuReservationMhz + two.CpuReservationMhz);
    }

    /// <summary>CPU load of a host with one machine more.</summary>
    public double CpuLoadWith(int vm, int host) => CpuLoad[host] + (Cluster.Cpu[vm] * _cpuPerMhz[host]);

    /// <summary>Load of a host's scarcer resource with one machine more.</summary>
    public double LoadWith(int vm, int host) => Math.Max(CpuLoadWith(vm, host), MemLoad[host] + (Cluster.Mem[vm] * _memPerMb[host]));

    /// <summary>As <see cref="LoadWith"/>, as placement counts it: where every machine is promised all its memory, what is promised is what runs out.</summary>
    /// <remarks>So a what-if names the host that a live cluster takes (<see cref="Placement.Placer"/>). Balancing evens out what is worked with, because that is
    /// what machines slow each other down by.</remarks>
    public double PlacedLoadWith(int vm, int host) => Cluster.Snapshot.IsMemoryPromised
        ? Math.Max(CpuLoadWith(vm, host), (MemReserved[host] + Cluster.Vms[vm].MemReservationMb) * _memPerMb[host])
        : LoadWith(vm, host);

    /// <summary>Whether the machine may come to the host: there is room, and the rules are kept no worse than now.</summary>
    public bool MayMove(int vm, int host) =>
        HasRoom(vm, host) && (!Cluster.Rules.HasRules(vm) || !Cluster.Rules.Weigh(vm, host, At).IsWorse);

    public void Move(int vm, int to)
    {
        if (At[vm] >= 0)
            Add(vm, At[vm], -1);
        if (to >= 0)
            Add(vm, to, 1);
        At[vm] = to;
    }

    /// <summary>Memory of the machines that are elsewhere than in another placement, which is what moving them sends over the network, GB.</summary>
    public double GbAwayFrom(ReadOnlySpan<int> placement)
    {
        var gb = 0.0;
        for (var vm = 0; vm < placement.Length; vm++)
            gb += At[vm] == placement[vm] ? 0 : Cluster.Gb[vm];
        return gb;
    }

    /// <summary>Counts one more machine like this one on a host.</summary>
    public void AddCopy(int vm, int host) => Add(vm, host, 1);

    private bool Carries(int host, double consumedMb, double memReservationMb, double cpuReservationMhz)
    {
        var target = Cluster.Hosts[host];
        return Consumed[host] + consumedMb <= target.MemMb
            && MemReserved[host] + memReservationMb <= target.MemMb
            && CpuReserved[host] + cpuReservationMhz <= target.CpuMhz;
    }

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
