using Alveare.HostLink.Messages;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Google.Protobuf;
using Grpc.Core;
using Xunit;

namespace Alveare.Tests.HostLink;

/// <summary>What the link does with garbage, strangers' records, bugs, cuts, and too much at once.</summary>
public sealed class LinkBreakTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("{\"facts\":null,\"machines\":[],\"datastores\":[],\"portGroups\":[]}")]
    [InlineData("{\"facts\":{},\"machines\":[],\"datastores\":[],\"portGroups\":[]}")]
    [InlineData("\u0000\u0001\u0002")]
    public async Task AGarbageSnapshotIsAnInvalidAnswer(string json)
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        await site.ServeInsteadAsync(new Liar { Value = ByteString.CopyFromUtf8(json) });
        Assert.IsType<HostAnswerInvalid>(await FaultOf(() => site.Connect(site.NewCenter()).ObserveAsync(Cancellation)));
    }

    [Theory]
    [InlineData("{\"change\":\"observed\"}")]
    [InlineData("{\"change\":\"machine\",\"machine\":{\"id\":\"nonsense\"}}")]
    [InlineData("{\"snapshot\":1}")]
    public async Task AGarbageChangeIsAnInvalidAnswer(string json)
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        await site.ServeInsteadAsync(new Liar { Value = ByteString.CopyFromUtf8(json) });
        Assert.IsType<HostAnswerInvalid>(await FaultOf(() => site.Connect(site.NewCenter()).WatchAsync(Cancellation).FirstAsync(Cancellation).AsTask()));
    }

    [Fact]
    public async Task AChangeOfANewerHostIsUnsupported()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        await site.ServeInsteadAsync(new Liar { Value = ByteString.CopyFromUtf8("{\"change\":\"teleported\",\"to\":\"mars\"}") });
        var fault = await FaultOf(() => site.Connect(site.NewCenter()).WatchAsync(Cancellation).FirstAsync(Cancellation).AsTask());
        Assert.Contains("teleported", Assert.IsType<Unsupported>(fault).What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFaultOfANewerHostKeepsItsSentence()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        var message = new FaultMessage { Json = ByteString.CopyFromUtf8("{\"fault\":\"TooCold\"}"), Code = "TooCold", Sentence = "It is too cold." };
        await site.ServeInsteadAsync(new Liar { Fault = message });
        var fault = await FaultOf(() => site.Connect(site.NewCenter()).ObserveAsync(Cancellation));
        Assert.Contains("It is too cold", Assert.IsType<HostOperationFailed>(fault).Cause, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnAnswerBeyondTheLimitIsAnInvalidAnswer()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        await site.ServeInsteadAsync(new Liar { Value = ByteString.CopyFrom(new byte[site.Options.MaxAnswerBytes + 1]) });
        Assert.IsType<HostAnswerInvalid>(await FaultOf(() => site.Connect(site.NewCenter()).ObserveAsync(Cancellation)));
    }

    [Fact]
    public async Task ACommandThatEndsWithoutAReplyIsAnInvalidAnswer()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        await site.ServeInsteadAsync(new Liar());
        Assert.IsType<HostAnswerInvalid>(await FaultOf(() => site.Connect(site.NewCenter()).ExecuteAsync(new ReadStatistics(), null, Cancellation)));
    }

    [Fact]
    public async Task ACommandOfANewerCenterIsUnsupportedAndTheHostServesOn()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        using var raw = new RawLink(site);
        var answer = await raw.ExecuteAsync("{\"command\":\"teleport-machine\",\"to\":\"mars\"}");
        Assert.IsType<Unsupported>(answer.Fault.ToFault("h1"));
        Assert.IsType<InvalidArgument>((await raw.ExecuteAsync("{\"command\":\"stop-machine\"}")).Fault.ToFault("h1"));
        Assert.IsType<InvalidArgument>((await raw.ExecuteAsync("\u0000")).Fault.ToFault("h1"));
        Assert.Empty(site.Host.Commands);
        await host.ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task AnotherProtocolVersionIsUnsupported()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        using var raw = new RawLink(site);
        var answer = await raw.Client.ObserveAsync(new Nothing(), new Metadata { { LinkProtocol.Header, "2" } }, cancellationToken: Cancellation);
        Assert.IsType<Unsupported>(answer.Fault.ToFault("h1"));
    }

    [Fact]
    public async Task ABugOfTheHostIsAnInternalErrorAndTheHostServesOn()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        site.Host.OnExecute = (_, _, _) => throw new InvalidOperationException("an invariant broke");
        Assert.IsType<InternalError>(await FaultOf(() => host.ExecuteAsync(new ReadStatistics(), null, Cancellation)));
        await host.ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task AHostThatEndsIsNotConnectedAndComesBack()
    {
        await using var site = await LinkSite.StartAsync();
        var center = site.NewCenter();
        await center.JoinAsync(site.Invitation(), Cancellation);
        var host = site.Connect(center);
        await using var watch = host.WatchAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        await site.RestartHostAsync();
        Assert.IsType<HostNotConnected>(await FaultOf(() => watch.MoveNextAsync().AsTask().WaitAsync(Patience.Longest, Cancellation)));
        await site.Connect(center).ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task ACutWireIsNoticedByPings()
    {
        var options = LinkSite.Patient with { PingAfter = TimeSpan.FromSeconds(1), PingTimeout = TimeSpan.FromSeconds(30) };
        await using var site = await LinkSite.StartAsync(options);
        var center = site.NewCenter();
        await center.JoinAsync(site.Invitation(), Cancellation);
        await using var wire = new CutWire(site.EndPoint);
        var host = site.Connect(center, wire.Address);
        var stopped = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        site.Host.OnExecute = async (_, _, cancellation) =>
        {
            cancellation.Register(() => stopped.TrySetResult());
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, cancellation);
            return Done.Instance;
        };
        await using var watch = host.WatchAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());
        var command = host.ExecuteAsync(new ReadStatistics(), null, Cancellation);
        await begun.Task.WaitAsync(Patience.Longest, Cancellation);

        wire.Cut();
        Assert.IsType<HostNotConnected>(await FaultOf(() => watch.MoveNextAsync().AsTask().WaitAsync(Patience.Longest, Cancellation)));
        Assert.IsType<HostNotConnected>(await FaultOf(() => command.WaitAsync(Patience.Longest, Cancellation)));
        // The host's end sees it too, and stops waiting for the command's caller.
        await stopped.Task.WaitAsync(Patience.Longest, Cancellation);
    }

    [Fact]
    public async Task AHostThatSaysNothingIsNotConnected()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        await site.ServeInsteadAsync(new Liar { SaysNothing = true });
        var again = site.Connect(site.NewCenter(options: LinkSite.Patient with { AnswerTimeout = TimeSpan.FromSeconds(1) }));
        Assert.IsType<HostNotConnected>(await FaultOf(() => again.ObserveAsync(Cancellation)));
        Assert.IsType<HostNotConnected>(await FaultOf(() => again.WatchAsync(Cancellation).FirstAsync(Cancellation).AsTask()));
    }

    [Fact]
    public async Task ASnapshotOfTwentyThousandMachinesArrives()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var ids = Enumerable.Range(0, 20_000).Select(n => EntityId.Vm(new Guid(n, 0, 0, new byte[8])));
        var config = new DatastorePath(EntityId.Datastore(Guid.Empty), new string('x', 500));
        site.Host.Snapshot = site.Host.Snapshot with { Machines = [.. ids.Select(id => new HostMachine { Id = id, Config = config })] };
        Assert.Equal(20_000, (await host.ObserveAsync(Cancellation)).Machines.Length);
    }

    [Fact]
    public async Task ManyCommandsAtOnceAreAllAnswered()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var together = new TaskCompletionSource<HostReply>();
        var waiting = 0;
        // More at once than HTTP/2 allows by default: every one waits for the last one to arrive.
        site.Host.OnExecute = (_, _, _) =>
        {
            if (Interlocked.Increment(ref waiting) == 300)
                together.SetResult(Done.Instance);
            return together.Task;
        };
        var commands = Enumerable.Range(0, 300).Select(_ => host.ExecuteAsync(new ReadStatistics(), null, Cancellation));
        await Task.WhenAll(commands).WaitAsync(Patience.Longest, Cancellation);
    }

    [Fact]
    public async Task ASlowReaderHoldsTheHostBackInsteadOfFillingMemory()
    {
        const int Enough = 100_000;
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        var produced = new Counter();
        var text = new string('x', 1000);
        await site.ServeInsteadAsync(new Liar { Flood = new HostEventRaised("test", site.Host.Id, text, false), Produced = produced, FloodLength = Enough });
        await using var watch = site.Connect(site.NewCenter()).WatchAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());

        // The host stops when the windows of the connection are full: it has stopped when it made nothing for a second.
        var before = -1;
        while (before != produced.Value)
        {
            before = produced.Value;
            await Task.Delay(TimeSpan.FromSeconds(1), Cancellation);
        }

        Assert.True(produced.Value < Enough, "the host was never held back");
        for (var read = 1; read < Enough; read++)
            Assert.True(await watch.MoveNextAsync());
    }

    private static async Task<Fault> FaultOf(Func<Task> work) => (await Assert.ThrowsAsync<FaultException>(work)).Fault;

    private sealed class Counter
    {
        private int _value;

        public int Value => Volatile.Read(ref _value);

        public void Add() => Interlocked.Increment(ref _value);
    }

    /// <summary>A host that does not keep to the protocol.</summary>
    private sealed class Liar : Link.LinkBase
    {
        public ByteString? Value { get; init; }

        public FaultMessage? Fault { get; init; }

        public bool SaysNothing { get; init; }

        public HostChange? Flood { get; init; }

        public int FloodLength { get; init; }

        public Counter? Produced { get; init; }

        public override async Task<Answer> Observe(Nothing request, ServerCallContext context)
        {
            if (SaysNothing)
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return Lie();
        }

        public override async Task Watch(Nothing request, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
        {
            if (SaysNothing)
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
            for (var sent = 0; Flood is not null && sent < FloodLength; sent++)
            {
                await responseStream.WriteAsync(new Answer { Value = LinkJson.Write(Flood) }, context.CancellationToken);
                Produced!.Add();
            }

            if (Flood is null)
                await responseStream.WriteAsync(Lie(), context.CancellationToken);
        }

        public override Task Execute(ExecuteRequest request, IServerStreamWriter<Answer> responseStream, ServerCallContext context) => Task.CompletedTask;

        private Answer Lie() => Fault is not null ? new Answer { Fault = Fault } : new Answer { Value = Value ?? ByteString.Empty };
    }
}
