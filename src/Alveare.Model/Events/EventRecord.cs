namespace Alveare.Model.Events;

public enum EventSeverity
{
    Info,
    Warning,
    Error,

    /// <summary>Security-relevant: logins, refusals, changes of rights.</summary>
    Audit,
}

/// <summary>One thing that happened, kept for administrators.</summary>
/// <param name="Id">Rises by one; events are totally ordered.</param>
/// <param name="Kind">Stable dotted name, such as <c>vm.died</c> or <c>host.connected</c>.</param>
/// <param name="User">Who caused it, or null when nobody did.</param>
public sealed record EventRecord(
    long Id,
    DateTimeOffset At,
    EventSeverity Severity,
    string Kind,
    EntityId? Subject,
    string? User,
    string Message);
