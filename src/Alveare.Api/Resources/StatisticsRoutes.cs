using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Statistics;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>Samples of machines and hosts: the newest of all, or the last hour of one.</summary>
internal static class StatisticsRoutes
{
    private const string Tag = "Statistics";

    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "statistics", Tag, "The newest sample of every machine.", call => AnswerAsync(call, call.Engine.Statistics.LatestOfMachines()))
        {
            Id = "latestStatistics", Answer = typeof(Listing<MachineSample>),
        },
        new("GET", "vms/{id}/statistics", Tag, "A machine's samples of the last hour, oldest first.", MachineAsync)
        {
            Id = "vmStatistics", Answer = typeof(Listing<MachineSample>),
        },
        new("GET", "hosts/{id}/statistics", Tag, "A host's samples of the last hour, oldest first.", HostAsync)
        {
            Id = "hostStatistics", Answer = typeof(Listing<HostSample>),
        },
    ];

    private static Task MachineAsync(ApiCall call) =>
        AnswerAsync(call, call.Engine.Statistics.Machine(call.Engine.Inventory.Current.Get<VirtualMachine>(call.RouteId(EntityKind.VirtualMachine, "vm")).Id));

    private static Task HostAsync(ApiCall call) =>
        AnswerAsync(call, call.Engine.Statistics.Host(call.Engine.Inventory.Current.Get<Host>(call.RouteId(EntityKind.Host, "host")).Id));

    private static Task AnswerAsync<T>(ApiCall call, IReadOnlyList<T> samples)
    {
        call.RequireView();
        return call.AnswerAsync(new Listing<T>(samples, samples.Count, ChangeStream.PositionOf(call.Engine.Feed)));
    }
}
