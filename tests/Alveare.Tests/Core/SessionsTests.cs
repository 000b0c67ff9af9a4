using System.Security.Cryptography;
using Alveare.Core.Changes;
using Alveare.Core.Consoles;
using Alveare.Core.Events;
using Alveare.Core.Security;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Security;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class SessionsTests
{
    /// <summary>Dates that somebody sets: one far ahead, and then one long ago.</summary>
    private static readonly DateTimeOffset[] Years = [new(2040, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2001, 1, 1, 0, 0, 0, TimeSpan.Zero)];

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

    /// <summary>Whatever the user is changed by, and whatever ends in between: a session is asked for its user each time it is used.</summary>
    [Theory]
    [InlineData("removed")]
    [InlineData("made anew")]
    [InlineData("demoted")]
    [InlineData("given a new password")]
    public async Task ASessionEndsWithTheUserThatLoggedIn(string change)
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        await _users.CreateAsync("rita", "correct horse", Role.Administrator);
        var (anna, rita) = (await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1"), await _sessions.LoginAsync("rita", "correct horse", "127.0.0.1"));
        if (change == "demoted")
            await _users.UpdateAsync("rita", null, Role.ReadOnly);
        else if (change == "given a new password")
            await _users.UpdateAsync("rita", "another horse", null);
        else
            await _users.RemoveAsync("rita");
        if (change == "made anew")
            await _users.CreateAsync("rita", "correct horse", Role.Administrator);

        var restarted = NewSessions();
        restarted.Load();
        foreach (var sessions in new[] { _sessions, restarted })
        {
            Assert.IsType<NotAuthenticated>(Assert.Throws<FaultException>(() => sessions.Authenticate(rita.Token)).Fault);
            Assert.Equal("anna", sessions.Authenticate(anna.Token).User);
        }

        await UntilStoredAsync(s => s.Count == 1);
    }

    [Fact]
    public async Task AUserWhoseRemovalCannotBeStoredStays()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        await _users.CreateAsync("rita", "correct horse", Role.ReadOnly);
        _store.IsFull = true;
        await Assert.ThrowsAsync<FaultException>(() => _users.RemoveAsync("rita"));
        Assert.NotNull(_users.Find("rita"));
        _store.IsFull = false;
        await _users.RemoveAsync("rita");
        Assert.Null(_users.Find("rita"));
    }

    [Fact]
    public async Task AStrangerWhoGuessesKeepsNobodyElseOutForLong()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        for (var guesses = 0; guesses < 14;)
        {
            var refused = await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "wrong horse", "10.0.0.9"));
            if (refused.Fault is LoginThrottled { RetryAfter: var wait })
                _clock.Advance(wait);
            else
                guesses++;
        }

        _clock.Advance(TimeSpan.FromSeconds(5));
        await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1");
        Assert.IsType<LoginThrottled>((await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "correct horse", "10.0.0.9"))).Fault);
    }

    [Fact]
    public async Task GuessingFromManyAddressesIsSlowedDownByTheName()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        for (var n = 0; n < 5; n++)
            await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "wrong horse", $"10.0.0.{n}"));
        Assert.IsType<LoginThrottled>((await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "wrong horse", "10.0.0.9"))).Fault);
    }

    [Fact]
    public async Task GuessesAtOnceTellNoMoreThanGuessesOneAfterTheOther()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        var refused = await AtOnceAsync(12, "wrong horse");
        Assert.Equal((5, 7), (refused.Count(f => f is LoginFailed), refused.Count(f => f is LoginThrottled)));
    }

    [Fact]
    public async Task ThoseWhoKnowThePasswordDoNotKeepEachOtherOut()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        Assert.All(await AtOnceAsync(12, "correct horse"), Assert.Null);
    }

    [Fact]
    public async Task OfALongNameOnlyTheBeginningIsRemembered()
    {
        var name = new string('x', 64);
        await _users.CreateAsync(name, "correct horse", Role.ReadOnly);
        for (var n = 0; n < 5; n++)
        {
            var refused = await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync($"{name}{n}", "correct horse", $"10.0.0.{n}"));
            Assert.Equal(name, Assert.IsType<LoginFailed>(refused.Fault).User);
        }

        Assert.IsType<LoginThrottled>((await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync($"{name}5", "correct horse", "10.0.0.9"))).Fault);
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

    [Fact]
    public async Task AClockThatIsSetForwardLogsNobodyOutAndOneThatIsSetBackKeepsNobody()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Operator);
        var login = await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1");
        foreach (var year in Years)
        {
            _clock.Set(year);
            _clock.Advance(Sessions.IdleTimeout - TimeSpan.FromSeconds(1));
            Assert.Equal(_clock.GetUtcNow() + Sessions.IdleTimeout, _sessions.Authenticate(login.Token).ExpiresAt);
            await UntilStoredAsync(s => s.Single().Json.Contains($"{year.Year}-", StringComparison.Ordinal));
        }

        _clock.Set(Years[1]);
        _clock.Advance(Sessions.IdleTimeout);
        Assert.Throws<FaultException>(() => _sessions.Authenticate(login.Token));
        await UntilStoredAsync(s => s.Count == 0);
    }

    [Fact]
    public async Task ASessionThatIsUsedAfterTheClockWasSetSurvivesARestartAndEndsInTime()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Operator);
        var login = await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1");
        foreach (var year in Years)
        {
            _clock.Set(year);
            _sessions.Authenticate(login.Token);
            await UntilStoredAsync(s => s.Single().Json.Contains($"{year.Year}-", StringComparison.Ordinal));
            var restarted = NewSessions();
            restarted.Load();
            restarted.Authenticate(login.Token);
            _clock.Advance(Sessions.IdleTimeout - TimeSpan.FromSeconds(1));
            restarted.Authenticate(login.Token);
            _sessions.Authenticate(login.Token);
        }

        // A clock that was set back while no engine ran makes no session last longer.
        _clock.Set(Years[1].AddYears(-1));
        var last = NewSessions();
        last.Load();
        _clock.Advance(Sessions.IdleTimeout);
        Assert.Throws<FaultException>(() => last.Authenticate(login.Token));
    }

    [Fact]
    public async Task AClockThatIsSetNeitherOpensTheThrottleNorClosesItForEver()
    {
        await _users.CreateAsync("anna", "correct horse", Role.Administrator);
        foreach (var year in Years)
        {
            for (var n = 0; n < 5; n++)
                await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "wrong horse", "127.0.0.1"));
            _clock.Set(year);
            var throttled = await Assert.ThrowsAsync<FaultException>(() => _sessions.LoginAsync("anna", "correct horse", "127.0.0.1"));
            var wait = Assert.IsType<LoginThrottled>(throttled.Fault).RetryAfter;
            Assert.InRange(wait, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(5));
            _clock.Advance(wait);
            await _sessions.LoginAsync("anna", "correct horse", "127.0.0.1");
        }
    }

    [Fact]
    public void ATicketOfAConsoleIsAsGoodWhateverTheClockIsSetTo()
    {
        var tickets = new ConsoleTickets(_clock, _ids);
        var console = new HostChannel(EntityId.Vm(Guid.NewGuid()), HostChannelKind.Serial);
        foreach (var year in Years)
        {
            var (good, late) = (tickets.Issue("token", console), tickets.Issue("token", console));
            _clock.Set(year);
            Assert.Equal("token", tickets.Redeem(good.Secret, console));
            _clock.Advance(ConsoleTickets.Lifetime);
            Assert.Throws<FaultException>(() => tickets.Redeem(late.Secret, console));
        }
    }

    // Threads of their own: computing the hash of a password keeps one.
    private Task<Fault?[]> AtOnceAsync(int count, string password)
    {
        var gate = new Barrier(count);
        return Task.WhenAll(Enumerable.Range(0, count).Select(_ => Task.Factory.StartNew(
            () =>
            {
                gate.SignalAndWait();
                return Record.Exception(() => _sessions.LoginAsync("anna", password, "127.0.0.1").GetAwaiter().GetResult()) is { } refused
                    ? Assert.IsType<FaultException>(refused).Fault
                    : null;
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
    }

    private async Task UntilStoredAsync(Func<IReadOnlyList<StoredRecord>, bool> isSo)
    {
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (!isSo(_store.Load(StoreKind.Session)))
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private Sessions NewSessions() => new(_store, _users, new EventLog(_store, new Feed(), _clock), _clock, _ids);
}
