using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Tasks;
using Alveare.Planning.Balancing;

namespace Alveare.Core.Migration;

/// <summary>What live migrations have cost on the site and from each host to each other, whoever asked for them; it survives the engine.</summary>
/// <remarks>Between two hosts that have not been measured what is known of the site is assumed: so is the cost of guests' writes, which is not the
/// link's.</remarks>
internal sealed class MigrationCosts(IStore store)
{
    /// <summary>One thread at either end is busy with it.</summary>
    private const double CpusWhileMoving = 2;

    private const double MhzPerGhz = 1000;

    private const string SiteKey = "site";

    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, Dictionary<EntityId, MigrationCost>> _links = [];
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
        }
    }

    /// <summary>What a migration from one host to another costs.</summary>
    public MigrationCost Between(EntityId source, EntityId target)
    {
        lock (_gate)
            return _links.GetValueOrDefault(source)?.GetValueOrDefault(target) is { } link ? _site with { MbPerSecond = link.MbPerSecond } : _site;
    }

    /// <summary>The terms on which a cluster's moves are judged.</summary>
    /// <param name="clock">Of the hosts' CPUs.</param>
    /// <param name="steadySeconds">How long each machine's load has been what it is.</param>
    /// <param name="hosts">The hosts by what the plan calls them.</param>
    public MoveTerms TermsFor(Megahertz clock, IReadOnlyDictionary<string, double> steadySeconds, IReadOnlyDictionary<string, EntityId> hosts)
    {
        var names = hosts.ToDictionary(h => h.Value, h => h.Key);
        lock (_gate)
        {
            return new(_site.MbPerSecond, _site.Overhead, CpusWhileMoving * clock.Value / MhzPerGhz, steadySeconds)
            {
                Links = hosts.Values.Where(_links.ContainsKey)
                    .SelectMany(source => _links[source].Where(l => names.ContainsKey(l.Key)).Select(l => (From: names[source], To: names[l.Key], l.Value.MbPerSecond)))
                    .ToDictionary(l => (l.From, l.To), l => l.MbPerSecond),
            };
        }
    }

    /// <summary>Takes in a migration that has succeeded.</summary>
    /// <param name="consumedMb">Memory that the machine took, or 0 when that is not known.</param>
    public async Task LearnAsync(MachineMove move, MigrationFigures figures, double consumedMb)
    {
        StoreWrite[] writes;
        lock (_gate)
        {
            var links = LinksFrom(move.Source);
            // The first of a link is mixed with what was assumed of it.
            var link = (links.GetValueOrDefault(move.Target) ?? _site with { Measured = 0 }).With(figures, consumedMb);
            (links[move.Target], _site) = (link, _site.With(figures, consumedMb));
            writes = [new(StoreKind.MigrationCost, SiteKey, ModelJson.Write(_site)), new(StoreKind.MigrationCost, $"{move.Source} {move.Target}", ModelJson.Write(link))];
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
            writes = [.. _links.SelectMany(s => s.Value.Keys.Where(t => s.Key == host || t == host).Select(t => new StoreWrite(StoreKind.MigrationCost, $"{s.Key} {t}", null)))];
            _links.Remove(host);
            foreach (var links in _links.Values)
                links.Remove(host);
        }

        if (writes.Count > 0)
            await store.CommitAsync(writes);
    }

    private Dictionary<EntityId, MigrationCost> LinksFrom(EntityId source) =>
        _links.TryGetValue(source, out var links) ? links : _links[source] = [];
}
