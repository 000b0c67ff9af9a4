using Alveare.Planning.Snapshots;

namespace Alveare.Bench.Balance;

/// <summary>Makes a cluster of a shape, the same one for the same seed: three sizes of hosts, machines of 1 to 64 GiB with lognormal demand and beta distributed
/// touched memory, at half of the CPU and memory of the whole; and rules, a third of which begin broken.</summary>
internal sealed class ClusterMaker
{
    private const double CpuUse = 0.50;
    private const double MemoryUse = 0.52;
    private const double MostFilled = 0.95;
    private const int CoreMhz = 2_600;
    private const int MemoryStepMb = 16_384;

    private static readonly (double Cpu, double Memory, double Part)[] HostSizes = [(1, 1, 0.5), (1.5, 2, 0.3), (2, 2.5, 0.2)];
    private static readonly (int Gib, int Weight)[] MachineSizes = [(1, 10), (2, 18), (4, 26), (8, 22), (16, 14), (32, 7), (64, 3)];

    private readonly ClusterShape _shape;
    private readonly Random _dice;
    private readonly SnapshotVm[] _vms;
    private readonly SnapshotHost[] _hosts;
    private readonly int[] _at;
    private readonly double[] _memory;
    private readonly double[] _cpu;

    private ClusterMaker(ClusterShape shape, int seed)
    {
        (_shape, _dice) = (shape, new Random(seed));
        _vms = [.. Enumerable.Range(0, shape.Vms).Select(Machine)];
        _hosts = MakeHosts();
        _at = new int[shape.Vms];
        Array.Fill(_at, -1);
        (_memory, _cpu) = (new double[shape.Hosts], new double[shape.Hosts]);
    }

    public static ClusterSnapshot Make(ClusterShape shape, int seed)
    {
        var maker = new ClusterMaker(shape, seed);
        maker.Place();
        return new ClusterSnapshot
        {
            Name = shape.Name,
            Hosts = [.. maker._hosts],
            Vms = [.. maker._vms.Select((v, n) => v with { Host = maker._hosts[maker._at[n]].Id })],
            Rules = [.. new RuleMaker(maker._dice, maker._at, [.. maker._vms.Select(v => v.Id)], [.. maker._hosts.Select(h => h.Id)]).Make()],
        };
    }

    private SnapshotVm Machine(int number)
    {
        var memory = 1024 * Size();
        var cpus = memory < 8_192 ? Pick(1, 2, 2, 4) : Pick(2, 4, 4, 8, 16);
        var demand = Math.Round(Math.Min(500 * Math.Exp(1.1 * Normal()), 0.9 * cpus * CoreMhz));
        var consumed = Math.Floor(memory * (0.6 + (0.4 * _dice.NextDouble())));
        return new SnapshotVm
        {
            Id = $"vm{number:00000}",
            Host = "",
            Vcpus = cpus,
            MemMb = memory,
            CpuDemandMhz = demand,
            ConsumedMb = consumed,
            ActiveMb = Math.Floor(Math.Min(memory * Beta2And5(), consumed)),
            CpuShares = 1_000 * cpus,
            MemShares = 10 * memory,
            CpuReservationMhz = IsOneOf(0.10) ? Math.Round(demand / 2) : 0,
            MemReservationMb = IsOneOf(0.10) ? memory / 4 : 0,
            CpuLimitMhz = IsOneOf(0.05) ? Math.Max(Math.Round(demand * (IsOneOf(0.5) ? 0.7 : 1.2)), 300) : -1,
        };
    }

    // As many of each size as its part, in any order, together so large that the machines use what was asked for.
    private SnapshotHost[] MakeHosts()
    {
        var sizes = HostSizes.SelectMany(s => Enumerable.Repeat(s, (int)Math.Round(s.Part * _shape.Hosts))).Take(_shape.Hosts).ToList();
        sizes.AddRange(Enumerable.Repeat(HostSizes[0], _shape.Hosts - sizes.Count));
        var shuffled = sizes.ToArray();
        _dice.Shuffle(shuffled);
        var cpu = _vms.Sum(v => v.CpuDemandMhz) / CpuUse / shuffled.Sum(s => s.Cpu);
        var memory = _vms.Sum(v => v.ConsumedMb) / MemoryUse / shuffled.Sum(s => s.Memory);
        return
        [
            .. shuffled.Select((s, n) => new SnapshotHost(
                $"h{n:000}",
                CoreMhz * Math.Max(1, Math.Round(s.Cpu * cpu / CoreMhz)),
                MemoryStepMb * Math.Max(5, Math.Round(s.Memory * memory / MemoryStepMb)))),
        ];
    }

    private void Place()
    {
        var everywhere = Enumerable.Range(0, _hosts.Length).ToArray();
        _dice.Shuffle(everywhere);
        int[] others = everywhere;
        if (_shape.Beginning == Beginning.Emptied)
            others = everywhere[(_hosts.Length / 3)..];
        if (_shape.Beginning == Beginning.Hotspot)
        {
            var hot = everywhere[..Math.Max(1, _hosts.Length / 10)];
            others = everywhere[hot.Length..];
            Heat(hot);
        }

        // The biggest first, so that all find room.
        foreach (var vm in Enumerable.Range(0, _vms.Length).Where(v => _at[v] < 0).OrderByDescending(v => _vms[v].ConsumedMb).ToList())
            Put(vm, others.Where(h => HasRoom(vm, h)).ToArray() is { Length: > 0 } fit ? Pick(fit) : others.MinBy(h => _memory[h] / _hosts[h].MemMb));
    }

    private void Heat(int[] hot)
    {
        foreach (var vm in Enumerable.Range(0, _vms.Length).OrderByDescending(v => _vms[v].CpuDemandMhz))
        {
            var fit = hot.Where(h => HasRoom(vm, h) && _cpu[h] + _vms[vm].CpuDemandMhz <= 1.3 * _hosts[h].CpuMhz).ToArray();
            if (fit.Length > 0)
                Put(vm, Pick(fit));
            if (hot.All(h => _cpu[h] >= 1.25 * _hosts[h].CpuMhz))
                return;
        }
    }

    private bool HasRoom(int vm, int host) => _memory[host] + _vms[vm].ConsumedMb <= MostFilled * _hosts[host].MemMb;

    private void Put(int vm, int host)
    {
        _at[vm] = host;
        _memory[host] += _vms[vm].ConsumedMb;
        _cpu[host] += _vms[vm].CpuDemandMhz;
    }

    private int Size()
    {
        var drawn = _dice.Next(MachineSizes.Sum(s => s.Weight));
        foreach (var (gib, weight) in MachineSizes)
        {
            if ((drawn -= weight) < 0)
                return gib;
        }

        return MachineSizes[^1].Gib;
    }

    private int Pick(params int[] from) => from[_dice.Next(from.Length)];

    private bool IsOneOf(double part) => _dice.NextDouble() < part;

    // Box and Muller.
    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - _dice.NextDouble())) * Math.Cos(2 * Math.PI * _dice.NextDouble());

    // A beta number is a part of a sum of gamma numbers, and those with whole parameters are sums of exponential ones.
    private double Beta2And5()
    {
        var (two, five) = (Exponentials(2), Exponentials(5));
        return two / (two + five);
    }

    private double Exponentials(int count) => Enumerable.Range(0, count).Sum(_ => -Math.Log(1 - _dice.NextDouble()));
}
