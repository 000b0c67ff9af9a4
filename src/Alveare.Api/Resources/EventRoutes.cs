using Alveare.Api.Routing;
using Alveare.Model.Events;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>What happened.</summary>
internal static class EventRoutes
{
    private const int DefaultLimit = 200;

    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "events", "Events", "List events, oldest first: the newest of them, or those after an event.", ListAsync)
        {
            Id = "listEvents",
            Answer = typeof(Listing<EventRecord>),
            Query =
            [
                new("after", "integer", "Only events after the one with this id."),
                new("severity", "string", "Only events of this severity: info, warning, error or audit."),
                new("kind", "string", "Only events of this kind, such as vm.died, or of all kinds that begin with it, such as vm."),
                new("subject", "string", "Only events about this object (an id)."),
                new("user", "string", "Only events that this user caused."),
                new("limit", "integer", $"The most items to list; {DefaultLimit} by default."),
            ],
        },
    ];

    private static Task ListAsync(ApiCall call)
    {
        call.RequireView();
        var limit = call.QueryNumber("limit", 1, int.MaxValue) ?? DefaultLimit;
        var after = call.QueryNumber("after", 0, int.MaxValue);
        var position = ChangeStream.PositionOf(call.Engine.Feed);
        IEnumerable<EventRecord> events = call.Engine.Events.Since(after ?? 0);
        if (call.QueryChoice<EventSeverity>("severity") is { } severity)
            events = events.Where(e => e.Severity == severity);
        if (call.QueryText("kind") is { } kind)
            events = events.Where(e => e.Kind == kind || e.Kind.StartsWith(kind + ".", StringComparison.Ordinal));
        if (call.QueryId("subject") is { } subject)
            events = events.Where(e => e.Subject == subject);
        if (call.QueryText("user") is { } user)
            events = events.Where(e => e.User == user);
        var found = events.ToList();
        var items = found.Count <= limit ? found : after is null ? found[^limit..] : found[..limit];
        return call.AnswerAsync(new Listing<EventRecord>(items, found.Count, position));
    }
}
