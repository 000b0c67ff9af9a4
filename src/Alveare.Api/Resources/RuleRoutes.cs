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
        new("GET", "clusters/{id}/rules", "Balancing", "The cluster's rules, each with its machines and whether it is broken now.", ListAsync)
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
        var broken = ClusterRules.Broken(cluster, [.. now.Children<Host>(cluster.Id).Select(h => h.Id)], now.PlaceOf).Select(b => b.Name).ToHashSet(StringComparer.Ordinal);
        var rules = cluster.Rules.Select(r => new RuleAnswer(
            r,
            ClusterRules.Text(r),
            [.. ClusterRules.MembersOf(cluster, r).Select(id => now.Find(id)?.Name).OfType<string>()],
            broken.Contains(r.Name))).ToList();
        return call.AnswerAsync(new Listing<RuleAnswer>(rules, rules.Count, position));
    }

    /// <summary>One rule.</summary>
    /// <param name="Text">The rule in words.</param>
    /// <param name="Machines">Names of its machines that there are.</param>
    /// <param name="IsBroken">Machines that run break it now.</param>
    private sealed record RuleAnswer(ClusterRule Rule, string Text, ImmutableArray<string> Machines, bool IsBroken);
}
