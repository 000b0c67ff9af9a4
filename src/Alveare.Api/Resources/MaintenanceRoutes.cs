using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Planning.Migration;

namespace Alveare.Api.Resources;

/// <summary>What putting a host into maintenance would do.</summary>
internal static class MaintenanceRoutes
{
    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "hosts/{id}/maintenance-plan", "Inventory", "Which machine would go where if the host were put into maintenance now, how long it takes, and what cannot leave and why.", AnswerAsync)
        {
            Id = "hostMaintenancePlan", Answer = typeof(MaintenancePlan),
        },
    ];

    private static Task AnswerAsync(ApiCall call)
    {
        call.RequireView();
        return call.AnswerAsync(call.Engine.Maintenance.Plan(call.RouteId(EntityKind.Host, "host")));
    }
}
