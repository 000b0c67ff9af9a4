using Alveare.Cli.Client;
using Xunit;

namespace Alveare.Tests.Api;

public sealed class ChangeStreamTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AWatcherSeesWhatHappensFromItsListingOn()
    {
        using var client = await ClientAsync();
        var position = (await client.ListAsync("vms", Cancellation)).Position;
        var vm = await site.PutMachineAsync("watched");
        var seen = await FirstAsync(client, position, null, e => e.Kind == "entity-put" && e.Data.GetProperty("id").GetString() == vm.ToString());
        Assert.Equal("watched", seen.Data.GetProperty("name").GetString());
        Assert.Equal("vm", seen.Data.GetProperty("kind").GetString());
    }

    [Fact]
    public async Task AWatcherThatWasCutOffGoesOnWhereItWas()
    {
        using var client = await ClientAsync();
        var first = await site.PutMachineAsync("cut-1");
        var second = await site.PutMachineAsync("cut-2");
        var blocks = await TakeAsync(client, "nonsense", "entity", e => e.Kind == "reload");
        var from = blocks[^1].Id;

        var third = await site.PutMachineAsync("cut-3");
        var fourth = await site.PutMachineAsync("cut-4");
        var read = await TakeAsync(client, from, "entity", e => IsAbout(e, third));
        var resumed = await TakeAsync(client, read[^1].Id, "entity", e => IsAbout(e, fourth));
        Assert.Equal(["resume", "entity-put"], resumed.Select(e => e.Kind));
        Assert.DoesNotContain(read.Concat(resumed), e => IsAbout(e, first) || IsAbout(e, second));
    }

    [Fact]
    public async Task AWatcherOfAnotherRunOfTheCenterIsToldToReload()
    {
        using var client = await ClientAsync();
        Assert.Equal("reload", (await TakeAsync(client, "deadbeef.1", null, _ => true))[0].Kind);
        Assert.Equal("reload", (await TakeAsync(client, "no position at all", null, _ => true))[0].Kind);
    }

    [Fact]
    public async Task AWatcherThatFellTooFarBehindIsToldToReload()
    {
        using var client = await ClientAsync();
        var position = (await client.ListAsync("vms", Cancellation)).Position;
        site.Engine.Feed.Publish(Enumerable.Range(0, 20_001).Select(_ => new Alveare.Core.Changes.EntityRemoved(site.Datacenter, "north")));
        Assert.Contains(await TakeAsync(client, position, null, e => e.Kind == "reload"), e => e.Kind == "reload");
    }

    [Fact]
    public async Task OnlyWhatWasAskedForIsSent()
    {
        using var client = await ClientAsync();
        var position = (await client.ListAsync("vms", Cancellation)).Position;
        await site.PutMachineAsync("unwanted");
        site.Engine.Events.Add(Alveare.Model.Events.EventSeverity.Info, "test.wanted", "It happened.");
        var blocks = await TakeAsync(client, position, "event", e => e.Kind == "event" && e.Data.GetProperty("kind").GetString() == "test.wanted");
        Assert.DoesNotContain(blocks, e => e.Kind is "entity-put" or "task");
    }

    [Fact]
    public async Task AWatcherWhoseSessionHasEndedIsToldSoAlsoWhileThingsHappen()
    {
        using var login = await site.LogInAsync("rita");
        using var client = new RestClient(site.Url) { Token = login.DefaultRequestHeaders.Authorization!.Parameter };
        using var lines = new StreamReader(await client.OpenAsync("stream", Cancellation));
        await UntilAsync(lines, "data: {}");
        await site.Engine.Sessions.LogoutAsync(client.Token!);
        site.Clock.Advance(TimeSpan.FromSeconds(20));
        await site.PutMachineAsync("unseen-1");
        await UntilAsync(lines, "event: end");
    }

    [Fact]
    public async Task AWatcherHearsSomethingAlsoWhileOnlyOtherThingsHappen()
    {
        using var client = await ClientAsync();
        using var lines = new StreamReader(await client.OpenAsync("stream?only=event", Cancellation));
        await UntilAsync(lines, "data: {}");
        site.Clock.Advance(TimeSpan.FromSeconds(20));
        await site.PutMachineAsync("unseen-2");
        await UntilAsync(lines, ": heartbeat");
    }

    private static async Task UntilAsync(StreamReader lines, string wanted)
    {
        while (await lines.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation) is var line && line != wanted)
            Assert.NotNull(line);
    }

    private static bool IsAbout(ServerEvent block, Alveare.Model.EntityId id) =>
        block.Kind == "entity-put" && block.Data.GetProperty("id").GetString() == id.ToString();

    private async Task<RestClient> ClientAsync()
    {
        var session = (await site.AsAsync("rita")).DefaultRequestHeaders.Authorization!;
        return new RestClient(site.Url) { Token = session.Parameter };
    }

    private static async Task<ServerEvent> FirstAsync(RestClient client, string? after, string? only, Func<ServerEvent, bool> wanted) =>
        (await TakeAsync(client, after, only, wanted))[^1];

    // Everything up to and with the first block that is wanted.
    private static async Task<List<ServerEvent>> TakeAsync(RestClient client, string? after, string? only, Func<ServerEvent, bool> wanted)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        bound.CancelAfter(Patience.Longest);
        var taken = new List<ServerEvent>();
        await foreach (var block in client.WatchAsync(after, only, bound.Token))
        {
            taken.Add(block);
            if (wanted(block))
                return taken;
        }

        throw new InvalidOperationException("The stream ended before what was awaited.");
    }
}
