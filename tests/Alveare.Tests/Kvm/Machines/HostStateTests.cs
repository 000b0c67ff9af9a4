using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

public sealed class HostStateTests
{
    private readonly ManualClock _clock = new();
    private readonly HostState _state;

    public HostStateTests() => _state = BareHost.NewState(_clock);

    [Fact]
    public async Task AnEventThatNobodyWatchedIsToldToTheNextWatcher()
    {
        _state.Publish(Event("one"));
        Assert.Equal(["one"], await EventsAsync(1));
    }

    [Fact]
    public async Task WhatAWatcherWasToldWhoWentAtOnceIsToldAgain()
    {
        _state.Publish(Event("one"));
        _state.Publish(Event("two"));
        Assert.Equal(["one"], await EventsAsync(1));
        Assert.Equal(["one", "two"], await EventsAsync(2));
    }

    [Fact]
    public async Task WhatAWatcherWasToldWhoStayedIsToldOnceAndWhatItDidNotReadIsToldTheNext()
    {
        _state.Publish(Event("one"));
        _state.Publish(Event("two"));
        Assert.Equal(["one"], await EventsAsync(1, HostState.Trial));
        Assert.Equal(["two"], await EventsAsync(1, HostState.Trial));
        _state.Publish(Event("three"));
        Assert.Equal(["three"], await EventsAsync(1));
    }

    private static HostEventRaised Event(string message) => new("test", EntityId.Host(Guid.Empty), message, IsProblem: false);

    /// <summary>The messages of the first events that a new watcher is told, who then stays for so long, and goes.</summary>
    private async Task<List<string>> EventsAsync(int count, TimeSpan stay = default)
    {
        var told = new List<string>();
        await foreach (var change in _state.WatchAsync(TestContext.Current.CancellationToken))
        {
            if (change is HostEventRaised raised)
                told.Add(raised.Message);
            if (told.Count < count)
                continue;
            _clock.Advance(stay);
            break;
        }

        return told;
    }
}
