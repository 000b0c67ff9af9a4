using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Pools;

/// <summary>Tells every host which part of each resource pool is its own, by what the pools' machines there are entitled to, whenever it has changed.</summary>
/// <remarks>A host keeps what it was told last. What it has been told by an earlier run of the engine is not known, so each is told once.</remarks>
public sealed class PoolSharing
{
    /// <summary>As often as statistics come.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);

    private readonly MachineGround _ground;
    private readonly ILogger _logger;
    private readonly Dictionary<EntityId, ImmutableArray<HostPool>> _told = [];

    internal PoolSharing(MachineGround ground, ILogger logger) => (_ground, _logger) = (ground, logger);

    /// <summary>Goes on until the engine ends.</summary>
    internal async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Interval, _ground.Clock, end);
                await TellAsync(end);
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                _logger.LogError(e, "Dividing resource pools among hosts broke.");
            }
        }
    }

    /// <summary>One round now.</summary>
    public async Task TellAsync(CancellationToken end)
    {
        var now = _ground.Now;
        foreach (var gone in _told.Keys.Where(h => now.Find(h) is null).ToList())
            _told.Remove(gone);
        // All hosts of a cluster or none: the parts of a pool are parts of one whole.
        var due = new List<(EntityId Host, ImmutableArray<HostPool> Pools)>();
        foreach (var group in now.OfType<Host>().GroupBy(h => now.ClusterOf(h.Id)?.Id))
        {
            var divvied = group.Key is { } cluster ? Divvy(now, cluster) : [];
            var wanted = group.Select(h => (Host: h.Id, Pools: divvied.GetValueOrDefault(h.Id, []))).ToList();
            if (wanted.Any(w => !_told.TryGetValue(w.Host, out var told) || !PoolDivvying.AreNear(told, w.Pools)))
                due.AddRange(wanted.Where(w => _ground.Hosts.IsConnected(w.Host) && !(_told.TryGetValue(w.Host, out var told) && told.SequenceEqual(w.Pools))));
        }

        var heard = await Task.WhenAll(due.Select(d => TellAsync(d.Host, d.Pools, end)));
        foreach (var (host, pools) in due.Where((_, n) => heard[n]))
            _told[host] = pools;
    }

    /// <summary>Answers whether the host has heard it; one that has not is told in the next round.</summary>
    private async Task<bool> TellAsync(EntityId host, ImmutableArray<HostPool> pools, CancellationToken end)
    {
        try
        {
            await _ground.Hosts.ExecuteAsync(host, new ApplyPools(pools), null, end);
            return true;
        }
        catch (FaultException e)
        {
            _logger.LogDebug("Host {Host} was not told its resource pools: {Reason}", host, e.Fault.Message);
            return false;
        }
    }

    private ImmutableDictionary<EntityId, ImmutableArray<HostPool>> Divvy(InventorySnapshot now, EntityId cluster)
    {
        var pools = now.PoolsOf(cluster).ToList();
        if (pools.Count == 0)
            return ImmutableDictionary<EntityId, ImmutableArray<HostPool>>.Empty;
        var hosts = now.Children<Host>(cluster).ToDictionary(h => h.Id);
        var machines = hosts.Keys.SelectMany(now.MachinesOn).ToList();
        var members = machines.Where(v => v.Pool is not null).ToLookup(v => v.Pool!.Value, v => v.Id);
        var facts = hosts.Values.Where(h => h.Connection == HostConnection.Connected).Select(h => h.Facts).OfType<HostFacts>().ToList();
        var running = machines.Where(v => v is { MayRun: true, Spec: not null }).ToList();
        return PoolDivvying.Divvy(
            new SharedWhole(facts.Sum(f => (double)f.CpuCapacity.Value), running.ToDictionary(v => v.Id, v => CpuOf(v, hosts[v.Host!.Value]))),
            new SharedWhole(facts.Sum(f => (double)f.MemoryForGuests.Value), running.ToDictionary(v => v.Id, MemoryOf)),
            rate => running.Where(v => !rate.DevicesOf(v.Spec!).IsEmpty).ToDictionary(v => v.Id, v => rate.ClaimOf(v.Spec!, _ground.Statistics.LatestOfMachine(v.Id))),
            [.. pools.Select(p => new HostPool(p.Id, p.Parent, p.Controls.Cpu, [.. members[p.Id]])
            {
                Memory = p.Controls.Memory, Disk = p.Controls.Disk, Network = p.Controls.Network,
            })],
            machines.ToDictionary(v => v.Id, v => v.Host!.Value));
    }

    // Of a machine of which nothing is known yet all its CPUs count.
    private Claim CpuOf(VirtualMachine vm, Host host)
    {
        var cpus = _ground.Statistics.LatestDemandOf(vm.Id)?.Cpus(vm.Spec!.Cpus) ?? vm.Spec!.Cpus;
        return PoolTree.ClaimOf(vm.Spec.Resources.Cpu, ShareScale.NormalCpu * vm.Spec.Cpus) with
        {
            Demand = Math.Max(0, cpus) * (host.Facts?.CpuClock.Value ?? 0),
        };
    }

    // What its machines take already a host cannot take from them: its part of a limit is at least that.
    private Claim MemoryOf(VirtualMachine vm) => MemoryClaims.Held(vm.Spec!, _ground.Statistics.LatestDemandOf(vm.Id)?.Consumed.Value);
}
