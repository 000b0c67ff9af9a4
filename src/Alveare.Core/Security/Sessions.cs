using System.Security.Cryptography;
using System.Text;
using Alveare.Core.Events;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Security;

namespace Alveare.Core.Security;

/// <summary>Somebody who is logged in.</summary>
public sealed record Session(string User, Role Role, DateTimeOffset ExpiresAt)
{
    /// <summary>The engine's own hand: loops and repairs that no user asked for.</summary>
    public static readonly Session System = new("system", Role.Administrator, DateTimeOffset.MaxValue);

    /// <summary>A <see cref="NoPermission"/> fault unless the role has the privilege.</summary>
    public void Require(Privilege privilege, string on)
    {
        if (!Role.Has(privilege))
            throw new FaultException(new NoPermission(User, privilege.ToString(), on));
    }
}

/// <summary>A fresh login: the token is shown this once.</summary>
public sealed record Login(string Token, Session Session);

/// <summary>Logging in and out. Tokens are kept as hashes and survive a restart; failed logins slow down the next ones.</summary>
public sealed class Sessions(IStore store, Users users, EventLog events, TimeProvider clock, IdSource ids)
{
    /// <summary>A session ends this long after its last use.</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(30);

    // The stored expiry is only pushed on when this much of it is used up, so that reading costs no write.
    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Session> _sessions = [];
    private readonly LoginThrottle _throttle = new(clock);

    public void Load()
    {
        foreach (var record in store.Load(StoreKind.Session))
            _sessions[record.Key] = ModelJson.Read<Session>(record.Json);
    }

    /// <summary>Faults: <see cref="LoginFailed"/>, <see cref="LoginThrottled"/>.</summary>
    /// <param name="from">The caller's address: throttled and audited beside the user name.</param>
    public async Task<Login> LoginAsync(string user, string password, string from)
    {
        _throttle.Check(user, from);
        if (users.Check(user, password) is not { } found)
        {
            _throttle.Failed(user, from);
            events.Add(EventSeverity.Audit, "session.login-failed", $"A login as '{Shorten(user)}' from {from} failed.", user: Shorten(user));
            throw new FaultException(new LoginFailed(Shorten(user)));
        }

        _throttle.Succeeded(user, from);
        var token = ids.NewSecret();
        var session = new Session(found.Name, found.Role, clock.GetUtcNow() + IdleTimeout);
        await PutAsync(KeyOf(token), session);
        events.Add(EventSeverity.Audit, "session.login", $"'{found.Name}' logged in from {from}.", user: found.Name);
        return new Login(token, session);
    }

    /// <summary>The session of a token; a <see cref="NotAuthenticated"/> fault when there is none or it has expired.</summary>
    public Session Authenticate(string? token)
    {
        var key = token is null ? "" : KeyOf(token);
        Session? session;
        lock (_gate)
        {
            if (!_sessions.TryGetValue(key, out session))
                throw new FaultException(new NotAuthenticated());
        }

        var now = clock.GetUtcNow();
        if (session.ExpiresAt <= now)
        {
            _ = RemoveAsync([key]);
            throw new FaultException(new NotAuthenticated());
        }

        var extended = now + IdleTimeout;
        if (extended - session.ExpiresAt > Slack)
            _ = PutAsync(key, session with { ExpiresAt = extended });
        return session;
    }

    public async Task LogoutAsync(string token)
    {
        var session = Authenticate(token);
        await RemoveAsync([KeyOf(token)]);
        events.Add(EventSeverity.Audit, "session.logout", $"'{session.User}' logged out.", user: session.User);
    }

    /// <summary>Ends all sessions of a user.</summary>
    public Task EndAllAsync(string user)
    {
        lock (_gate)
            return RemoveAsync([.. _sessions.Where(s => s.Value.User == user).Select(s => s.Key)]);
    }

    private static string KeyOf(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    private static string Shorten(string user) => user.Length <= 64 ? user : user[..64];

    private Task PutAsync(string key, Session session)
    {
        var now = clock.GetUtcNow();
        var writes = new List<StoreWrite>();
        lock (_gate)
        {
            foreach (var (old, _) in _sessions.Where(s => s.Value.ExpiresAt <= now).ToList())
            {
                _sessions.Remove(old);
                writes.Add(new StoreWrite(StoreKind.Session, old, null));
            }

            _sessions[key] = session;
        }

        writes.Add(new StoreWrite(StoreKind.Session, key, ModelJson.Write(session)));
        return store.CommitAsync(writes);
    }

    private Task RemoveAsync(IReadOnlyList<string> keys)
    {
        lock (_gate)
        {
            foreach (var key in keys)
                _sessions.Remove(key);
        }

        return store.CommitAsync([.. keys.Select(k => new StoreWrite(StoreKind.Session, k, null))]);
    }
}
