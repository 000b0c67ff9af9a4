using System.Security.Cryptography;
using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Security;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class SessionsTests
{
    private readonly MemoryStore _store = new();
    private readonly ManualClock _clock = new();
    private readonly IdSource _ids = new(RandomNumberGenerator.Fill);
    private readonly Users _users;
    private readonly Sessions _sessions;

    public SessionsTests()
    {
        _users = new Users(_store, _ids);
        _sessions = NewSessions();
    }

    [Fact]
    public async Task ALoginSurvivesARestartAndEndsWhenItIsNotUsed()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Operator);
        var login = await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1");

        var restarted = NewSessions();
        restarted.Load();
        Assert.Equal(Role.Operator, restarted.Authenticate(login.Token).Role);

        _clock.Advance(Sessions.IdleTimeout);
        Assert.IsType<NotAuthenticated>(Assert.Throws<FaultException>(() => restarted.Authenticate(login.Token)).Fault);
    }

    [Fact]
    public async Task GuessingIsSlowedDownAndTheRightPasswordWorksAfterTheWait()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        for (var n = 0; n < 5; n++)
            await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "wrong horse", "127.0.0.1"));

        var throttled = await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "correct horse", "127.0.0.1"));
        var wait = Assert.IsType<LoginThrottled>(throttled.Fault).RetryAfter;

        _clock.Advance(wait);
        Assert.Equal("anna", (await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1")).Session.User);
    }

    [Fact]
    public async Task PasswordsAndTokensAreNotInTheStore()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        var login = await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1");
        var stored = string.Concat(new[] { "user", "session" }.SelectMany(_store.Load).Select(r => r.Key + r.Json));
        Assert.DoesNotContain("correct horse", stored, StringComparison.Ordinal);
        Assert.DoesNotContain(login.Token, stored, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheLastAdministratorStays()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        await Assert.ThrowsAsync<FaultException>(() => _users.RemoveAsync("anna"));
        await Assert.ThrowsAsync<FaultException>(() => _users.UpdateAsync("anna", null, Role.ReadOnly));
        Assert.NotNull(_users.Check("anna", "correct horse"));
    }

    private Sessions NewSessions() => new(_store, _users, new EventLog(_store, new Feed(), _clock), _clock, _ids);

    private sealed class ManualClock : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => _now;

        public void Advance(TimeSpan by) => _now += by;
    }
}
