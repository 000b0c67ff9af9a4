using System.Collections.Concurrent;
using Alveare.Kvm.Qmp;
using Xunit;

namespace Alveare.Tests.Kvm.Qmp;

public sealed class QmpConnectionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ALineWithoutEndIsNotWaitedFor()
    {
        using var qemu = new FakeQemu(_ => $$"""{"return": "{{new string('x', 5 << 20)}}"}""");
        await using var connection = await QmpConnection.ConnectAsync(qemu.Path, null, Patience, Cancellation);
        await Assert.ThrowsAsync<QmpClosedException>(() => connection.ExecuteAsync("one", cancellation: Cancellation));
    }

    [Fact]
    public async Task AConnectionThatBreaksWhileTheProcessLivesIsMadeAnew()
    {
        using var qemu = new FakeQemu(command => command == "break" ? null : $$"""{"return": "{{command}}"}""");
        var events = new ConcurrentQueue<string>();
        await using var connection = await QmpConnection.ConnectAsync(qemu.Path, e => events.Enqueue(e.Name), Patience, Cancellation);
        connection.IsAlive = () => true;
        for (var n = 1; n < 4; n++)
        {
            Assert.Equal("one", (await connection.ExecuteAsync("one", cancellation: Cancellation)).GetString());
            await Assert.ThrowsAsync<QmpClosedException>(() => connection.ExecuteAsync("break", cancellation: Cancellation));
            // Each has its own answer, also those that were said before it was made anew.
            var (two, three) = (connection.ExecuteAsync("two", cancellation: Cancellation), connection.ExecuteAsync("three", cancellation: Cancellation));
            Assert.Equal(("two", "three"), ((await two).GetString(), (await three).GetString()));
            Assert.Equal(Enumerable.Repeat(QmpConnection.Reconnected, n), events);
            Assert.Equal(n + 1, qemu.Connections);
            Assert.False(connection.Closed.IsCompleted);
        }
    }

    [Fact]
    public async Task WhatComesBeforeTheNegotiationIsAnsweredTakesNoAnswersPlaceAndNoEventIsMissed()
    {
        using var qemu = new FakeQemu(command => $$"""{"return": "{{command}}"}""")
        {
            BeforeNegotiated = ["""{"event": "STOP"}""", """{"return": "of a command of the one before"}""", """{"event": "RESUME"}"""],
        };
        var events = new ConcurrentQueue<string>();
        await using var connection = await QmpConnection.ConnectAsync(qemu.Path, e => events.Enqueue(e.Name), Patience, Cancellation);
        Assert.Equal("one", (await connection.ExecuteAsync("one", cancellation: Cancellation)).GetString());
        Assert.Equal(["STOP", "RESUME"], events);
    }

    [Fact]
    public async Task AConnectionThatTalksNonsenseIsMadeAnew()
    {
        using var qemu = new FakeQemu(command => command == "odd" ? """{"return": nan}""" : """{"return": 1}""");
        await using var connection = await QmpConnection.ConnectAsync(qemu.Path, null, Patience, Cancellation);
        connection.IsAlive = () => true;
        await Assert.ThrowsAsync<QmpClosedException>(() => connection.ExecuteAsync("odd", cancellation: Cancellation));
        Assert.Equal(1, (await connection.ExecuteAsync("even", cancellation: Cancellation)).GetInt32());
    }

    [Fact]
    public async Task TheConnectionToAProcessThatEndedIsClosed()
    {
        using var qemu = new FakeQemu(_ => null);
        var isAlive = true;
        await using var connection = await QmpConnection.ConnectAsync(qemu.Path, null, Patience, Cancellation);
        connection.IsAlive = () => isAlive;
        isAlive = false;
        await Assert.ThrowsAsync<QmpClosedException>(() => connection.ExecuteAsync("quit", cancellation: Cancellation));
        await connection.Closed.WaitAsync(Patience, Cancellation);
        Assert.Equal(1, qemu.Connections);
        await Assert.ThrowsAsync<QmpClosedException>(() => connection.ExecuteAsync("one", cancellation: Cancellation));
    }

    [Fact]
    public async Task AConnectionThatIsLetGoOfIsNotMadeAnew()
    {
        using var qemu = new FakeQemu(_ => """{"return": {}}""");
        var connection = await QmpConnection.ConnectAsync(qemu.Path, null, Patience, Cancellation);
        connection.IsAlive = () => true;
        await connection.DisposeAsync();
        await connection.Closed.WaitAsync(Patience, Cancellation);
        await Assert.ThrowsAsync<QmpClosedException>(() => connection.ExecuteAsync("one", cancellation: Cancellation));
        Assert.Equal(1, qemu.Connections);
    }
}
