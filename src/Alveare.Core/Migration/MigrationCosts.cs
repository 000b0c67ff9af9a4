using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Tasks;
using Alveare.Planning.Balancing;

namespace Alveare.Core.Migration;

/// <summary>What live migrations have cost on the site, from each host to each other and of each machine, whoever asked for them; it survives the engine.</summary>
/// <remarks>How fast memory is sent is the link's; how much is to be sent, and how fast the guest writes to it meanwhile, is the machine's. Of a link or
/// a machine that has not been measured what is known of the site is assumed.</remarks>
internal sealed class MigrationCosts(IStore store)
{
    /// <summary>One thread at either end is busy with it.</summary>
    private const double CpusWhileMoving = 2;

    private const double MhzPerGhz = 1000;

    private const string SiteKey = "site";

    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, Dictionary<EntityId, MigrationCost>> _links = [];
    private readonly Dictionary<EntityId, MigrationCost> _machines = [];
    private MigrationCost _site = MigrationCost.Assumed;

    /// <summary>What a migration costs where nothing more is known.</summary>
    public MigrationCost Site
    {
        get
        {
            lock (_gate)
                return _site;
        }
    }

    /// <summary>Reads what is stored. Call once.</summary>
    public void Load()
    {
        foreach (var stored in store.Load(StoreKind.MigrationCost))
        {
            var cost = ModelJson.Read<MigrationCost>(stored.Json);
            if (stored.Key == SiteKey)
                _site = cost;
            else if (stored.Key.Split(' ') is [var source, var target])
                LinksFrom(EntityId.Parse(source))[EntityId.Parse(target)] = cost;
            else
                _machines[EntityId.Parse(stored.Key)] = cost;
        }
    }

    /// <summary>What a machine's migration from one host to another costs.</summary>
    public MigrationCost Of(EntityId vm, EntityId source, EntityId target)
    {
        lock (_gate)
        {
            var link = _links.GetValueOrDefault(source)?.GetValueOrDefault(target) ?? _site;
            return (_machines.GetValueOrDefault(vm) ?? _site) with { MbPerSecond = link.MbPerSecond };
        }
    }

    /// <summary>The terms on which a cluster's moves are judged.</summary>
    /// <param name="clock">Of the hosts' CPUs.</param>
    /// <param name="steadySeconds">How long each machine's load has been what it is.</param>
    /// <param name="hosts">The hosts by what the plan calls them.</param>
    /// <param name="vms">The machines by what the plan calls them.</param>
    public MoveTerms TermsFor(
        Megahertz clock, IReadOnlyDictionary<string, double> steadySeconds, IReadOnlyDictionary<string, EntityId> hosts, IReadOnlyDictionary<string, EntityId> vms)
    {
        var names = hosts.ToDictionary(h => h.Value, h => h.Key);
        lock (_gate)
        {
            return new(_site.MbPerSecond, _site.Load, CpusWhileMoving * clock.Value / MhzPerGhz, steadySeconds)
            {
                Links = hosts.Values.Where(_links.ContainsKey)
                    .SelectMany(source => _links[source].Where(l => names.ContainsKey(l.Key)).Select(l => (From: names[source], To: names[l.Key], l.Value.MbPerSecond)))
                    .ToDictionary(l => (l.From, l.To), l => l.MbPerSecond),
                Loads = vms.Where(v => _machines.ContainsKey(v.Value)).ToDictionary(v => v.Key, v => _machines[v.Value].Load),
            };
        }
    }

    /// <summary>Takes in a migration that has succeeded.</summary>
    /// <param name="consumedMb">Memory that the machine took, or 0 when that is not known.</param>
    public async Task LearnAsync(EntityId vm, MachineMove move, MigrationFigures figures, double consumedMb)
    {
        List<StoreWrite> writes;
        lock (_gate)
        {
            var links = LinksFrom(move.Source);
            // The first of a link, or of a machine, is mixed with what was assumed of it.
            var assumed = _site with { Measured = 0 };
            (links[move.Target], _site) = ((links.GetValueOrDefault(move.Target) ?? assumed).With(figures, consumedMb), _site.With(figures, consumedMb));
            writes = [Write(SiteKey, _site), Write($"{move.Source} {move.Target}", links[move.Target])];
            if (consumedMb > 0)
            {
                _machines[vm] = (_machines.GetValueOrDefault(vm) ?? assumed).With(figures, consumedMb);
                writes.Add(Write(vm.ToString(), _machines[vm]));
            }
        }

        try
        {
            await store.CommitAsync(writes);
        }
        catch (FaultException)
        {
            // The machine has moved: that what was learned of it is forgotten at a restart is no reason to fail.
        }
    }

    /// <summary>A host that is gone has no links.</summary>
    public async Task ForgetAsync(EntityId host)
    {
        List<StoreWrite> writes;
        lock (_gate)
        {
            writes = [.. _links.SelectMany(s => s.Value.Keys.Where(t => s.Key == host || t == host).Select(t => Write($"{s.Key} {t}", null)))];
            _links.Remove(host);
            foreach (var links in _links.Values)
                links.Remove(host);
        }

        if (writes.Count > 0)
            await store.CommitAsync(writes);
    }

    /// <summary>Machines that are gone cost nothing any more.</summary>
    public void ForgetMachines(Func<EntityId, bool> areGone)
    {
        lock (_gate)
        {
            foreach (var vm in _machines.Keys.Where(areGone).ToList())
            {
                _machines.Remove(vm);
                store.CommitUnwatched([Write(vm.ToString(), null)]);
            }
        }
    }

    private static StoreWrite Write(string key, MigrationCost? cost) => new(StoreKind.MigrationCost, key, cost is null ? null : ModelJson.Write(cost));

    private Dictionary<EntityId, MigrationCost> LinksFrom(EntityId source) =>
        _links.TryGetValue(source, out var links) ? links : _links[source] = [];
}
