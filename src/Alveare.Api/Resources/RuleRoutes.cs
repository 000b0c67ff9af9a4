using System.Collections.Immutable;
using Alveare.Api.Routing;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Planning.Rules;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>A cluster's rules, and which of them are broken now.</summary>
internal static class RuleRoutes
{
    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "clusters/{id}/rules", "Balancing", "The cluster's rules, each with its machines and those of them that break it now.", ListAsync)
        {
            Id = "listRules", Answer = typeof(Listing<RuleAnswer>),
        },
    ];

    private static Task ListAsync(ApiCall call)
    {
        call.RequireView();
        var position = ChangeStream.PositionOf(call.Engine.Feed);
        var now = call.Engine.Inventory.Current;
        var cluster = now.Get<Cluster>(call.RouteId(EntityKind.Cluster, "cluster"));
        var broken = ClusterRules.Breaking(cluster, [.. now.Children<Host>(cluster.Id).Select(h => h.Id)], now.PlaceOf);
        ImmutableArray<string> Names(IEnumerable<EntityId> ids) => [.. ids.Select(id => now.Find(id)?.Name).OfType<string>()];
        var rules = cluster.Rules.Select(r => new RuleAnswer(
            r,
            ClusterRules.Text(r),
            Names(ClusterRules.MembersOf(cluster, r)),
            broken.ContainsKey(r.Name),
            Names(broken.GetValueOrDefault(r.Name, [])))).ToList();
        return call.AnswerAsync(new Listing<RuleAnswer>(rules, rules.Count, position));
    }

    /// <summary>One rule.</summary>
    /// <param name="Text">The rule in words.</param>
    /// <param name="Machines">Names of its machines that there are.</param>
    /// <param name="IsBroken">Machines that run break it now.</param>
    /// <param name="Breaking">Names of those machines.</param>
    private sealed record RuleAnswer(ClusterRule Rule, string Text, ImmutableArray<string> Machines, bool IsBroken, ImmutableArray<string> Breaking);
}
