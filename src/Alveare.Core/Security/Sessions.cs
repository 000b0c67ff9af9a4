using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Alveare.Core.Events;
using Alveare.Core.Store;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Security;

namespace Alveare.Core.Security;

/// <summary>Somebody who is logged in.</summary>
/// <param name="ExpiresAt">When the session ends unless it is used before, for people and for a restart: while the engine runs it ends by the time that has passed.</param>
public sealed record Session(string User, Role Role, DateTimeOffset ExpiresAt)
{
    /// <summary>The engine's own hand: loops and repairs that no user asked for.</summary>
    public static readonly Session System = new("system", Role.Administrator, DateTimeOffset.MaxValue);

    /// <summary>A <see cref="NoPermission"/> fault unless the role has the privilege.</summary>
    public void Require(Privilege privilege, string on)
    {
        if (!Role.Has(privilege))
            throw new FaultException(new NoPermission(User, ModelJson.Word(privilege), on));
    }
}

/// <summary>A fresh login: the token is shown this once.</summary>
public sealed record Login(string Token, Session Session);

/// <summary>Logging in and out. Tokens are kept as hashes and survive a restart; failed logins slow down the next ones.</summary>
/// <remarks>A session is good as long as its user is the one that logged in: who is removed, or given another role or password, has to log in anew. That is asked
/// with each use, so it holds whatever the order of things, also after a crash between them. How long a session has not been used is told by the monotonic clock, so a
/// clock that is set ends none and keeps none; only what an earlier run of the engine has stored is as old as the clock says.</remarks>
public sealed class Sessions(IStore store, Users users, EventLog events, TimeProvider clock, IdSource ids)
{
    /// <summary>A session ends this long after its last use.</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(30);

    // The stored expiry is only corrected when it is wrong by this much, so that reading costs no write: by use, or because the clock was set.
    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Known> _sessions = [];
    private readonly LoginThrottle _throttle = new(clock);

    public void Load()
    {
        foreach (var record in store.Load(StoreKind.Session))
        {
            var session = ModelJson.Read<StoredSession>(record.Json);
            _sessions[record.Key] = new Known(session, clock.TimestampOf(session.ExpiresAt - IdleTimeout, longest: IdleTimeout));
        }
    }

    /// <summary>Faults: <see cref="LoginFailed"/>, <see cref="LoginThrottled"/>.</summary>
    /// <param name="from">The caller's address: throttled and audited beside the user name.</param>
    public async Task<Login> LoginAsync(string user, string password, string from)
    {
        // No user has a longer name, and what anybody sends is not kept whole.
        var name = user.Length <= Users.MaxNameLength ? user : user[..Users.MaxNameLength];
        _throttle.Check(name, from);
        var found = users.Check(user, password);
        _throttle.Count(name, from, isRight: found is not null);
        if (found is null)
        {
            // A name that somebody made up is nobody's.
            events.AddAttempt("session.login-failed", $"A login as '{name}' from {from} failed.", user: users.Find(name)?.Name);
            throw new FaultException(new LoginFailed(name));
        }

        var token = ids.NewSecret();
        var session = new StoredSession(found.Name, found.Role, Expiry(), found.Salt);
        await PutAsync(KeyOf(token), session);
        events.AddAttempt("session.login", $"'{found.Name}' logged in from {from}.", user: found.Name);
        return new Login(token, session.Shown);
    }

    /// <summary>The session of a token; a <see cref="NotAuthenticated"/> fault when there is none or it is over.</summary>
    public Session Authenticate(string? token)
    {
        var key = token is null ? "" : KeyOf(token);
        lock (_gate)
        {
            if (!_sessions.TryGetValue(key, out var known))
                throw new FaultException(new NotAuthenticated());
            if (IsOver(known))
            {
                _ = RemoveAsync([key]);
                throw new FaultException(new NotAuthenticated());
            }

            var session = known.Stored with { ExpiresAt = Expiry() };
            if ((session.ExpiresAt - known.Stored.ExpiresAt).Duration() > Slack)
                _ = PutAsync(key, session);
            else
                _sessions[key] = known with { UsedAt = clock.GetTimestamp() };
            return session.Shown;
        }
    }

    public async Task LogoutAsync(string token)
    {
        var session = Authenticate(token);
        await RemoveAsync([KeyOf(token)]);
        events.AddAttempt("session.logout", $"'{session.User}' logged out.", user: session.User);
    }

    private static string KeyOf(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    private DateTimeOffset Expiry() => clock.GetUtcNow() + IdleTimeout;

    private bool IsOver(Known session) =>
        clock.GetElapsedTime(session.UsedAt) >= IdleTimeout || users.Find(session.Stored.User) != session.Stored.OpenedBy;

    private Task PutAsync(string key, StoredSession session)
    {
        lock (_gate)
        {
            var over = _sessions.Where(s => IsOver(s.Value)).Select(s => s.Key).ToList();
            foreach (var old in over)
                _sessions.Remove(old);
            _sessions[key] = new Known(session, clock.GetTimestamp());
            return store.CommitAsync([.. over.Select(k => new StoreWrite(StoreKind.Session, k, null)), new StoreWrite(StoreKind.Session, key, ModelJson.Write(session))]);
        }
    }

    private Task RemoveAsync(IReadOnlyList<string> keys)
    {
        lock (_gate)
        {
            foreach (var key in keys)
                _sessions.Remove(key);
            return store.CommitAsync([.. keys.Select(k => new StoreWrite(StoreKind.Session, k, null))]);
        }
    }

    /// <param name="Stored">The session as the store has it.</param>
    private sealed record Known(StoredSession Stored, long UsedAt);

    /// <param name="Salt">Of the password that it was opened with.</param>
    private sealed record StoredSession(string User, Role Role, DateTimeOffset ExpiresAt, string Salt)
    {
        [JsonIgnore]
        public User OpenedBy => new(User, Role, Salt);

        [JsonIgnore]
        public Session Shown => new(User, Role, ExpiresAt);
    }
}
