using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Core.Consoles;

/// <summary>A right to open one console once, for whoever cannot show a session: a browser sends no header with a WebSocket.</summary>
public sealed record ConsoleTicket(string Secret, DateTimeOffset ExpiresAt);

/// <summary>The tickets that nobody has used yet. They live in memory alone: a restart makes them worthless. How old one is does not hang on the
/// date that the clock is set to.</summary>
public sealed class ConsoleTickets(TimeProvider clock, IdSource ids)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = [];

    /// <param name="token">Of the session that the console belongs to.</param>
    public ConsoleTicket Issue(string token, HostChannel console)
    {
        var ticket = new ConsoleTicket(ids.NewSecret(), clock.GetUtcNow() + Lifetime);
        lock (_gate)
        {
            foreach (var (old, _) in _entries.Where(e => IsOver(e.Value)).ToList())
                _entries.Remove(old);
            _entries[ticket.Secret] = new Entry(token, console, clock.GetTimestamp());
        }

        return ticket;
    }

    /// <summary>The session's token that a ticket stands for; the ticket is used up, also when it is for another console. A
    /// <see cref="NotAuthenticated"/> fault when it is unknown, used or too old.</summary>
    public string Redeem(string secret, HostChannel console)
    {
        lock (_gate)
        {
            return _entries.Remove(secret, out var entry) && entry.Console == console && !IsOver(entry)
                ? entry.Token
                : throw new FaultException(new NotAuthenticated());
        }
    }

    private bool IsOver(Entry entry) => clock.GetElapsedTime(entry.IssuedAt) >= Lifetime;

    private sealed record Entry(string Token, HostChannel Console, long IssuedAt);
}
