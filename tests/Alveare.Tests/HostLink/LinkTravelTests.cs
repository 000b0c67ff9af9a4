using System.Reflection;
using System.Text.Json.Serialization;
using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Tests.HostLink;

/// <summary>What one end says arrives at the other as it was, for every record there is.</summary>
public sealed class LinkTravelTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void EveryRecordOfTheClosedFamiliesIsDeclared()
    {
        AssertDeclared<HostCommand>();
        AssertDeclared<HostReply>();
        AssertDeclared<HostChange>();
        AssertDeclared<Fault>();
    }

    [Fact]
    public async Task EveryCommandArrivesAsItWasSent()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var sent = SampleRecords.OfFamily<HostCommand>().ToList();
        foreach (var command in sent)
            await host.ExecuteAsync(command, null, Cancellation);
        Assert.Equal(sent.Select(ModelJson.Write), site.Host.Commands.Select(ModelJson.Write));
    }

    [Fact]
    public async Task EveryReplyArrivesAsItWasGiven()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        foreach (var reply in SampleRecords.OfFamily<HostReply>())
        {
            site.Host.OnExecute = (_, _, _) => Task.FromResult(reply);
            Assert.Equal(ModelJson.Write(reply), ModelJson.Write(await host.ExecuteAsync(new ReadStatistics(), null, Cancellation)));
        }
    }

    [Fact]
    public async Task EveryChangeArrivesInOrder()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var sent = SampleRecords.OfFamily<HostChange>().ToList();
        foreach (var change in sent)
            site.Host.Changes.Writer.TryWrite(change);
        var received = await host.WatchAsync(Cancellation).Take(sent.Count + 1).ToListAsync(Cancellation);
        Assert.IsType<HostObserved>(received[0]);
        Assert.Equal(sent.Select(ModelJson.Write), received.Skip(1).Select(ModelJson.Write));
    }

    [Fact]
    public async Task EveryFaultArrivesWithItsData()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        foreach (var fault in SampleRecords.OfFamily<Fault>())
        {
            site.Host.OnExecute = (_, _, _) => throw new FaultException(fault);
            var thrown = await Assert.ThrowsAsync<FaultException>(() => host.ExecuteAsync(new ReadStatistics(), null, Cancellation));
            Assert.Equal(ModelJson.Write(fault), ModelJson.Write(thrown.Fault));
        }
    }

    [Fact]
    public async Task AMachineWithNothingOptionalSetArrives()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var bare = SampleRecords.OfFamily<HostCommand>().OfType<CloneMachine>().Single() with { Customization = null };
        await host.ExecuteAsync(bare, null, Cancellation);
        Assert.Equal(bare, site.Host.Commands.Single());
    }

    [Fact]
    public async Task ProgressComesBeforeTheReply()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var seen = new TaskCompletionSource<HostProgress>();
        site.Host.OnExecute = async (_, progress, cancellation) =>
        {
            progress!.Report(new HostProgress(40, "copying"));
            await seen.Task.WaitAsync(cancellation);
            return Done.Instance;
        };
        await host.ExecuteAsync(new ReadStatistics(), new Reporter(p => seen.TrySetResult(p)), Cancellation).WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(new HostProgress(40, "copying"), await seen.Task);
    }

    [Fact]
    public async Task GivingUpReachesTheHost()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var begun = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        site.Host.OnExecute = async (_, _, cancellation) =>
        {
            cancellation.Register(stopped.SetResult);
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, cancellation);
            return Done.Instance;
        };
        using var giveUp = new CancellationTokenSource();
        var command = host.ExecuteAsync(new ReadStatistics(), null, giveUp.Token);
        await begun.Task.WaitAsync(Patience.Longest, Cancellation);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => command);
        await stopped.Task.WaitAsync(Patience.Longest, Cancellation);
    }

    [Fact]
    public async Task AConsoleGoesBothWaysAndEndsWithTheMachine()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var (near, far) = DuplexPipe.Create();
        site.Host.OnOpen = _ => far;
        await using var console = await host.OpenAsync(new HostChannel(site.Host.Id, HostChannelKind.Serial), Cancellation);
        await console.WriteAsync("login"u8.ToArray(), Cancellation);
        Assert.Equal("login", await ReadTextAsync(near, 5));
        await near.WriteAsync("welcome"u8.ToArray(), Cancellation);
        Assert.Equal("welcome", await ReadTextAsync(console, 7));
        await near.DisposeAsync();
        Assert.Equal(0, await console.ReadAsync(new byte[1], Cancellation));
    }

    [Fact]
    public async Task ALongLogArrivesWhole()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var log = new byte[5_000_000];
        new Random(1).NextBytes(log);
        site.Host.OnOpen = _ => new MemoryStream(log, writable: false);
        await using var stream = await host.OpenAsync(new HostChannel(site.Host.Id, HostChannelKind.Log), Cancellation);
        using var received = new MemoryStream();
        await stream.CopyToAsync(received, Cancellation);
        Assert.Equal(log, received.ToArray());
    }

    [Fact]
    public async Task AChannelThatIsNotThereIsAFaultOfOpening()
    {
        await using var site = await LinkSite.StartAsync();
        var host = await site.JoinedAsync();
        var thrown = await Assert.ThrowsAsync<FaultException>(
            () => host.OpenAsync(new HostChannel(site.Host.Id, HostChannelKind.Vnc), Cancellation));
        Assert.IsType<NotFound>(thrown.Fault);
    }

    private static async Task<string> ReadTextAsync(Stream stream, int length)
    {
        var buffer = new byte[length];
        await stream.ReadExactlyAsync(buffer, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        return System.Text.Encoding.ASCII.GetString(buffer);
    }

    private static void AssertDeclared<T>() => Assert.Equal(
        SampleRecords.Derived<T>().Select(t => t.Name).Order(),
        typeof(T).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(d => d.DerivedType.Name).Order());

    private sealed class Reporter(Action<HostProgress> report) : IProgress<HostProgress>
    {
        public void Report(HostProgress value) => report(value);
    }
}
