using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Planning.Placement;

namespace Alveare.Api.Resources;

/// <summary>Which CPU baselines the hosts of a cluster could have.</summary>
internal static class CpuBaselineRoutes
{
    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "clusters/{id}/cpu-baseline", "Inventory", "The cluster's CPU baseline, the highest that its hosts could have, and what each of them lacks of more.", AnswerAsync)
        {
            Id = "clusterCpuBaseline", Answer = typeof(CpuSurvey),
        },
    ];

    private static Task AnswerAsync(ApiCall call)
    {
        call.RequireView();
        var now = call.Engine.Inventory.Current;
        var cluster = now.Get<Cluster>(call.RouteId(EntityKind.Cluster, "cluster"));
        return call.AnswerAsync(CpuSurvey.Of(
            cluster.CpuBaseline,
            [.. now.Children<Host>(cluster.Id).Where(h => h.Facts is not null).Select(h => KeyValuePair.Create(h.Name, h.Facts!))]));
    }
}
