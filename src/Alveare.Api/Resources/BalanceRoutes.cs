using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Planning.Snapshots;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>What balancing recommends, and a cluster as planning sees it.</summary>
internal static class BalanceRoutes
{
    private const string Tag = "Balancing";

    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "clusters/{id}/recommendations", Tag, "What balancing and power saving recommend; moves in the order in which they are to be made.", RecommendationsAsync)
        {
            Id = "listRecommendations", Answer = typeof(Listing<Recommendation>),
        },
        new("GET", "clusters/{id}/snapshot", Tag, "The cluster as planning sees it now: the file that `alveare plan` reads.", SnapshotAsync)
        {
            Id = "exportSnapshot", Answer = typeof(object),
        },
    ];

    private static Task RecommendationsAsync(ApiCall call)
    {
        call.RequireView();
        var position = ChangeStream.PositionOf(call.Engine.Feed);
        var found = call.Engine.Balancing.RecommendationsOf(call.RouteId(EntityKind.Cluster, "cluster"));
        return call.AnswerAsync(new Listing<Recommendation>(found, found.Count, position));
    }

    private static Task SnapshotAsync(ApiCall call)
    {
        call.RequireView();
        var snapshot = call.Engine.Balancing.Read(call.RouteId(EntityKind.Cluster, "cluster")).Snapshot;
        call.Http.Response.ContentType = "application/json; charset=utf-8";
        call.Http.Response.Headers.CacheControl = "no-store";
        return call.Http.Response.Body.WriteAsync(SnapshotWriter.Write(snapshot), call.Aborted).AsTask();
    }
}
