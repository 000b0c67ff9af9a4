using System.Security.Cryptography;
using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class EventLogTests
{
    private readonly MemoryStore _store = new();
    private readonly ManualClock _clock = new();
    private readonly Feed _feed = new();
    private readonly EventLog _events;

    public EventLogTests() => _events = NewLog();

    [Fact]
    public async Task NoFloodOfOtherEventsPushesTheAuditOut()
    {
        _events.Add(EventSeverity.Audit, "user.created", "first", user: "anna");
        for (var n = 0; n < EventLog.Kept; n++)
            _events.Add(EventSeverity.Warning, "vm.disk-error", $"{n}");
        _events.Add(EventSeverity.Audit, "user.removed", "last", user: "anna");
        _events.Add(EventSeverity.Warning, "vm.disk-error", "newest");

        await _store.CommitAsync([]);
        var restarted = NewLog();
        restarted.Load();
        foreach (var log in new[] { _events, restarted })
        {
            var listed = log.Since(0);
            Assert.Equal(EventLog.Kept + 2, listed.Count);
            Assert.Equal(("first", "newest"), (listed[0].Message, listed[^1].Message));
            Assert.Equal(listed.Select(e => e.Id).Order(), listed.Select(e => e.Id));
            Assert.Equal(["last", "newest"], log.Since(listed[^3].Id).Select(e => e.Message));
        }

        Assert.Equal(_events.Since(0)[^1].Id + 1, restarted.Add(EventSeverity.Info, "a", "b").Id);
    }

    [Fact]
    public async Task WhoFillsTheAuditPushesOutTheirOwnAlone()
    {
        _events.Add(EventSeverity.Audit, "user.created", "of anna", user: "anna");
        _events.Add(EventSeverity.Audit, "host.joined", "of rita", user: "rita");
        for (var n = 0; n < EventLog.KeptOfAudit; n++)
            _events.Add(EventSeverity.Audit, "vm.console-opened", $"{n}", user: "rita");

        await _store.CommitAsync([]);
        var restarted = NewLog();
        restarted.Load();
        foreach (var log in new[] { _events, restarted })
            Assert.Equal(["of anna", "of rita", "2", "3"], log.Since(0).Take(4).Select(e => e.Message));
        Assert.Equal(EventLog.KeptOfAudit, _events.Since(0).Count);
    }

    [Fact]
    public void RefusalsThatRepeatAreJoined()
    {
        var engine = new TaskEngine(_store, new InventoryWriter(_store, _feed), _events, _feed, _clock, NullLogger.Instance);
        var (rita, olga) = (new Session("rita", Role.ReadOnly, default), new Session("olga", Role.ReadOnly, default));
        void Refuse(Session session, int times)
        {
            for (var n = 0; n < times; n++)
                Assert.Throws<FaultException>(() => engine.Authorize(session, Privilege.UserManage, "user.list", EntityId.Root, $"{n}"));
        }

        Refuse(rita, 2_000);
        Refuse(olga, 1);
        var told = _events.Since(0);
        Assert.Equal(10 + 2 + 1, told.Count);
        Assert.Equal(told.Count, _feed.Last);
        Assert.EndsWith("That is the 10th such within a minute; the next that is told of is the 100th.", told[9].Message, StringComparison.Ordinal);
        Assert.Contains("the 1000th such within a minute; the next that is told of is the 10000th", told[11].Message, StringComparison.Ordinal);
        Assert.Equal("olga", told[12].User);

        _clock.Advance(TimeSpan.FromMinutes(1));
        Refuse(rita, 3);
        Assert.Equal(10 + 2 + 1 + 3, _events.Since(0).Count);
    }

    [Fact]
    public async Task GuessedNamesAreNobodysAndJoined()
    {
        var ids = new IdSource(RandomNumberGenerator.Fill);
        var users = new Users(_store, ids);
        var sessions = new Sessions(_store, users, _events, _clock, ids);
        for (var n = 0; n < 12; n++)
            await Assert.ThrowsAsync<FaultException>(() => sessions.LoginAsync($"nobody{n}", "wrong horse", $"10.0.0.{n}"));
        var told = _events.Since(0);
        Assert.Equal(10, told.Count);
        Assert.All(told, e => Assert.Null(e.User));
        Assert.Contains("'nobody0' from 10.0.0.0", told[0].Message, StringComparison.Ordinal);
    }

    private EventLog NewLog() => new(_store, _feed, _clock);
}
