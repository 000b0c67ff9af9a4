using System.Text.Json;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Planning.Snapshots;
using Alveare.Planning.WhatIf;
using Xunit;
using static Alveare.Tests.Api.ApiSite;

namespace Alveare.Tests.Api;

/// <summary>What-ifs over REST are those of the command line, and a cluster as it is now can be asked too.</summary>
public sealed class WhatIfApiTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static readonly ClusterSnapshot Hot = new()
    {
        Name = "hot",
        Hosts = [new("h1", 10000, 32000), new("h2", 10000, 32000)],
        Vms = [.. Enumerable.Range(1, 8).Select(n => new SnapshotVm { Id = $"vm{n}", Host = "h1", CpuDemandMhz = 1000, MemMb = 2048, ConsumedMb = 2048, ActiveMb = 512 })],
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Questions => new()
    {
        { "balance", """{"level":4,"maxMoves":3}""" },
        { "place", """{"memory":4294967296,"cpu":500,"apartFrom":["vm1"]}""" },
        { "maintenance", """{"host":"h1"}""" },
        { "fail", """{"host":"h1"}""" },
        { "power", """{"target":50,"leastHosts":1}""" },
        { "grow", """{"like":"vm1","hosts":2,"hostCpu":20000,"hostMemory":68719476736}""" },
    };

    [Theory]
    [MemberData(nameof(Questions))]
    public async Task TheAnswerIsThatOfTheCommandLine(string what, string question)
    {
        var client = await site.AsAsync("rita");
        var answer = await JsonAsync(await client.PostAsync($"/api/what-if/{what}", Json(Body(SnapshotWriter.Write(Hot), question)), Cancellation));
        var expected = JsonDocument.Parse(Expected(what)).RootElement;
        Assert.Equal(expected.EnumerateObject().Select(m => m.Name), answer.EnumerateObject().Select(m => m.Name));
        foreach (var member in expected.EnumerateObject().Where(m => m.Name != "cpuSeconds"))
            Assert.Equal(member.Value.GetRawText(), answer.GetProperty(member.Name).GetRawText());
    }

    [Theory]
    [InlineData("balance", """{"level":0}""", 400, "InvalidArgument")]
    [InlineData("balance", """{"level":6}""", 400, "InvalidArgument")]
    [InlineData("balance", """{"maxMoves":-1}""", 400, "InvalidArgument")]
    [InlineData("balance", """{"lvl":3}""", 400, "InvalidArgument")]
    [InlineData("place", """{"memory":-1}""", 400, "InvalidArgument")]
    [InlineData("place", """{}""", 400, "InvalidArgument")]
    [InlineData("fail", """{"host":"h9"}""", 404, "NotFound")]
    [InlineData("power", """{"target":95}""", 400, "InvalidArgument")]
    [InlineData("power", """{"target":80,"band":30}""", 400, "InvalidArgument")]
    [InlineData("power", """{"leastHosts":0}""", 400, "InvalidArgument")]
    [InlineData("grow", """{"like":"vm9"}""", 404, "NotFound")]
    [InlineData("grow", """{"like":"vm1","vms":0}""", 400, "InvalidArgument")]
    [InlineData("grow", """{"like":"vm1","hosts":2}""", 400, "InvalidArgument")]
    public async Task WhatCannotBeAskedIsRefused(string what, string question, int status, string code)
    {
        var client = await site.AsAsync("rita");
        await ProblemAsync(await client.PostAsync($"/api/what-if/{what}", Json(Body(SnapshotWriter.Write(Hot), question)), Cancellation), status, code);
    }

    [Fact]
    public async Task ASnapshotThatCannotBeIsRefusedWithItsReason()
    {
        var client = await site.AsAsync("rita");
        var lost = SnapshotWriter.Write(Hot with { Vms = [Hot.Vms[0] with { Host = "h9" }] });
        var problem = await ProblemAsync(await client.PostAsync("/api/what-if/balance", Json(Body(lost, "{}")), Cancellation), 400, "InvalidArgument");
        Assert.Contains("unknown host 'h9'", problem.Detail, StringComparison.Ordinal);
        await ProblemAsync(await client.PostAsync("/api/what-if/balance", Json("""{"snapshot":[],"question":{}}"""), Cancellation), 400, "InvalidArgument");
    }

    [Fact]
    public async Task ALargeSnapshotIsReadAndAnOperationsBodyOfThatSizeIsNot()
    {
        var client = await site.AsAsync();
        var large = Hot with { Vms = [.. Enumerable.Range(0, 8000).Select(n => Hot.Vms[0] with { Id = $"vm{n}", CpuDemandMhz = 1, ConsumedMb = 1, ActiveMb = 1 })] };
        var body = Body(SnapshotWriter.Write(large), """{"host":"h1"}""");
        Assert.True(body.Length > 1024 * 1024);
        await JsonAsync(await client.PostAsync("/api/what-if/maintenance", Json(body), Cancellation));
        Assert.Equal(413, (int)(await client.PostAsync("/api/site:create-datacenter", Json(body), Cancellation)).StatusCode);
    }

    [Fact]
    public async Task OfManyQuestionsSomeAreReadAtOnceAndMoreAreRefused()
    {
        var client = await site.AsAsync("rita");
        var body = Body(SnapshotWriter.Write(Hot), """{"host":"h1"}""");
        var end = new TaskCompletionSource();
        var held = new List<Task<HttpResponseMessage>>();
        try
        {
            using var limit = new CancellationTokenSource(Patience.Longest);
            HttpResponseMessage answer;
            do
            {
                limit.Token.ThrowIfCancellationRequested();
                held.Add(client.PostAsync("/api/what-if/maintenance", new SlowBody(body, end.Task), Cancellation));
                answer = await client.PostAsync("/api/what-if/maintenance", Json(body), Cancellation);
            }
            while (answer.IsSuccessStatusCode);
            await ProblemAsync(answer, 429, "TooManyQuestions");
        }
        finally
        {
            end.SetResult();
        }

        // One that came while the quick one was answered may have been refused itself, perhaps before it was sent.
        await ((Task)Task.WhenAll(held)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        Assert.Equal(4, held.Count(h => h.IsCompletedSuccessfully && h.Result.IsSuccessStatusCode));
        await JsonAsync(await client.PostAsync("/api/what-if/maintenance", Json(body), Cancellation));
    }

    [Fact]
    public async Task AClusterIsAskedAsItIsNowAndWritten()
    {
        var id = new EntityId(EntityKind.Cluster, Guid.NewGuid());
        await site.PutAsync(new Cluster { Id = id, Name = "web", Parent = site.Datacenter });
        var client = await site.AsAsync("rita");
        var written = await client.GetAsync($"/api/clusters/{id}/snapshot", Cancellation);
        Assert.Equal("web", SnapshotReader.Read(await written.Content.ReadAsByteArrayAsync(Cancellation), "answer").Name);
        var plan = await JsonAsync(await client.PostAsync($"/api/clusters/{id}/what-if/balance", Json("{}"), Cancellation));
        Assert.Equal(0, plan.GetProperty("moves").GetArrayLength());
        Assert.Equal(0, (await JsonAsync(await client.GetAsync($"/api/clusters/{id}/recommendations", Cancellation))).GetProperty("total").GetInt32());

        var nowhere = new EntityId(EntityKind.Cluster, Guid.NewGuid());
        await ProblemAsync(await client.GetAsync($"/api/clusters/{nowhere}/snapshot", Cancellation), 404, "NotFound");
        await ProblemAsync(await client.GetAsync($"/api/clusters/{nowhere}/recommendations", Cancellation), 404, "NotFound");
        await ProblemAsync(await client.PostAsync($"/api/clusters/{nowhere}/what-if/balance", Json("{}"), Cancellation), 404, "NotFound");
        Assert.Equal(401, (int)(await site.Stranger().GetAsync($"/api/clusters/{id}/snapshot", Cancellation)).StatusCode);
    }

    private static string Body(byte[] snapshot, string question) => $$"""{"snapshot":{{System.Text.Encoding.UTF8.GetString(snapshot)}},"question":{{question}}}""";

    private static byte[] Expected(string what)
    {
        using var buffer = new MemoryStream();
        using (var w = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            switch (what)
            {
                case "balance":
                    PlanJson.Write(w, Answering.Balance(Hot, new BalanceQuestion { Level = 4, MaxMoves = 3 }), 0);
                    break;
                case "place":
                    PlanJson.Write(w, Answering.Place(Hot, new PlaceQuestion { Memory = Bytes.FromGib(4), Cpu = new Megahertz(500), ApartFrom = ["vm1"] }), 0);
                    break;
                case "maintenance":
                    PlanJson.Write(w, Answering.Maintenance(Hot, new HostQuestion { Host = "h1" }), 0);
                    break;
                case "fail":
                    PlanJson.Write(w, Answering.Fail(Hot, new HostQuestion { Host = "h1" }), 0);
                    break;
                case "power":
                    PlanJson.Write(w, Answering.Power(Hot, new PowerQuestion { Target = 50, LeastHosts = 1 }), 0);
                    break;
                default:
                    PlanJson.Write(w, Answering.Grow(Hot, new GrowQuestion { Like = "vm1", Hosts = 2, HostCpu = new Megahertz(20000), HostMemory = Bytes.FromGib(64) }), 0);
                    break;
            }
        }

        return buffer.ToArray();
    }

    /// <summary>A body whose end comes when the test says so.</summary>
    private sealed class SlowBody : HttpContent
    {
        private readonly byte[] _body;
        private readonly Task _end;

        public SlowBody(string body, Task end)
        {
            (_body, _end) = (System.Text.Encoding.UTF8.GetBytes(body), end);
            Headers.ContentType = new("application/json");
        }

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            await stream.WriteAsync(_body.AsMemory(0, 1), Cancellation);
            await stream.FlushAsync(Cancellation);
            await _end.WaitAsync(Cancellation);
            await stream.WriteAsync(_body.AsMemory(1), Cancellation);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
