using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Xunit;
using static Alveare.Tests.Api.ApiSite;

namespace Alveare.Tests.Api;

/// <summary>What callers get wrong: each a clear problem that says where.</summary>
public sealed class BadRequestTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("""{"name":"x""", "line 1, byte")]
    [InlineData("", "'name' is missing, expected a string")]
    [InlineData("{}", "'name' is missing, expected a string")]
    [InlineData("[]", "of type array, expected an object")]
    [InlineData("null", "null, expected an object")]
    [InlineData("""{"name":3}""", "$.name is 3, expected a string")]
    [InlineData("""{"name":null}""", "$.name is null, expected a string")]
    [InlineData("""{"name":"a","name":"b"}""", "'name' is given twice")]
    [InlineData("""{"name":"a","nmae":"b"}""", "'nmae' is unknown")]
    [InlineData("""{"name":"a","target":"root"}""", "'target' is unknown")]
    public async Task ABodyThatCannotBeReadSaysWhere(string body, string expected) =>
        await RefusedAsync("site:create-datacenter", body, expected);

    [Theory]
    [InlineData("{\"name\":\"K\u00f6ln\"}", "is not UTF-8 at byte 11")]
    [InlineData("{\"K\u00f6ln\":1}", "is not UTF-8 at byte 4")]
    [InlineData("""{"\ud800":1}""", "half a character")]
    [InlineData("""{"name":"\ud800"}""", """$.name is "\ud800", expected a string""")]
    public async Task ATextThatIsNoUnicodeIsSaid(string latin1, string expected) =>
        await RefusedAsync("site:create-datacenter", Encoding.Latin1.GetBytes(latin1), expected);

    [Theory]
    [InlineData("{\"K\u00f6ln\":1}", "is not UTF-8 at byte 16")]
    [InlineData("{\"hosts\":[\"K\u00f6ln\"]}", "is not UTF-8 at byte")]
    [InlineData("""{"\ud800":1}""", "the value at $.snapshot is")]
    public async Task ASnapshotThatIsNoUnicodeIsSaid(string latin1, string expected) =>
        await RefusedAsync("what-if/balance", Encoding.Latin1.GetBytes($$"""{"snapshot":{{latin1}},"question":{} }"""), expected);

    [Theory]
    [InlineData("\"cpus\":\"2\"", "$.cpus is \"2\", expected a whole number of 32 bits")]
    [InlineData("\"cpus\":1.5", "$.cpus is 1.5")]
    [InlineData("\"cpus\":99999999999", "$.cpus is 99999999999")]
    [InlineData("\"memory\":\"512M\"", "$.memory is \"512M\", expected a whole number of bytes")]
    [InlineData("\"firmware\":\"bois\"", "$.firmware is \"bois\", expected one of bios, uefi")]
    [InlineData("\"firmware\":1", "$.firmware is 1, expected one of bios, uefi")]
    [InlineData("\"folder\":\"web\"", "$.folder is \"web\", expected an object id")]
    [InlineData("\"disks\":[1,\"x\"]", "$.disks[1] is \"x\", expected a whole number of bytes")]
    [InlineData("\"portGroups\":[\"net\",null]", "$.portGroups[1] is null, expected a value, or no element at all")]
    [InlineData("\"portGroups\":\"net\"", "$.portGroups is \"net\", expected an array, each item a string")]
    public async Task AValueOfTheWrongTypeSaysWhatWasExpected(string member, string expected) =>
        await RefusedAsync("datacenters/{dc}:create-vm", $$"""{"name":"x","datastore":"ds-{{Guid.Empty:N}}",{{member}}}""", expected);

    [Fact]
    public async Task AMistakeInsideANestedRecordSaysWhere() => await RefusedAsync(
        $"vms/{await site.PutMachineAsync("nested")}:clone", """{"name":"x","customization":{"hostname":"y"}}""", "'hostname' at $.customization");

    [Theory]
    [InlineData("vms?power=onn", "one of unknown, off, on, paused")]
    [InlineData("vms?limit=0", "a whole number from 1")]
    [InlineData("vms?limit=-3", "a whole number from 1")]
    [InlineData("vms?pwoer=on", "'pwoer' is unknown, expected only")]
    [InlineData("vms?template=yes", "true or false")]
    [InlineData("vms?host=h1", "an object id")]
    [InlineData("tasks/task-1?wait=9999", "from 0 to 300")]
    [InlineData("lookup", "'name' is missing")]
    [InlineData("lookup?name=x&kind=machine", "one of site, datacenter")]
    [InlineData("lookup?name=x&kind=machine", "pool, template.")]
    [InlineData("stream?only=everything", "one or more of entity, task, event")]
    public async Task AQueryThatIsWrongIsNotIgnored(string path, string expected)
    {
        var problem = await ProblemAsync(await (await site.AsAsync()).GetAsync($"/api/{path}", Cancellation), 400, "InvalidArgument");
        Assert.Contains(expected, problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/api/nothing", 404, "UnknownRoute")]
    [InlineData("GET", "/elsewhere", 404, "UnknownRoute")]
    [InlineData("PUT", "/api/vms", 405, "WrongMethod")]
    [InlineData("DELETE", "/api/health", 405, "WrongMethod")]
    [InlineData("POST", "/api/vms/vm-1:fly", 404, "NotFound")]
    [InlineData("GET", "/api/vms/vm-1", 404, "NotFound")]
    [InlineData("GET", "/api/vms/host-00000000000000000000000000000001", 404, "NotFound")]
    [InlineData("POST", "/api/vms/vm-00000000000000000000000000000001:power-on", 404, "NotFound")]
    [InlineData("GET", "/api/tasks/task-99999", 404, "NotFound")]
    [InlineData("GET", "/api/tasks/nonsense", 404, "NotFound")]
    [InlineData("POST", "/api/tasks/task-99999:cancel", 404, "NotFound")]
    [InlineData("GET", "/api/lookup?name=nobody", 404, "NotFound")]
    public async Task WhatIsNotThereIsSaid(string method, string path, int status, string code)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        await ProblemAsync(await (await site.AsAsync()).SendAsync(request, Cancellation), status, code);
    }

    [Fact]
    public async Task ABodyThatIsNotJsonByItsTypeIsRefused()
    {
        using var body = new StringContent("name=x", Encoding.UTF8, "application/x-www-form-urlencoded");
        await ProblemAsync(await (await site.AsAsync()).PostAsync("/api/site:create-datacenter", body, Cancellation), 415, "WrongMediaType");
    }

    [Fact]
    public async Task ABodyOfAHundredMegabytesIsRefusedBeforeItIsSent()
    {
        var client = await site.AsAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync(site.Url.Host, site.Url.Port, Cancellation);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /api/site:create-datacenter HTTP/1.1\r\nHost: x\r\nAuthorization: {client.DefaultRequestHeaders.Authorization}\r\n"
            + "Content-Type: application/json\r\nContent-Length: 104857600\r\n\r\n{"), Cancellation);
        using var reader = new StreamReader(stream);
        var status = await reader.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        Assert.StartsWith("HTTP/1.1 413", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABodyThatNeverEndsIsCutOffAtTheLimit()
    {
        using var body = new StreamContent(new Endless());
        body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            var answer = await (await site.AsAsync()).PostAsync("/api/site:create-datacenter", body, Cancellation);
            await ProblemAsync(answer, 413, "BodyTooLarge");
        }
        catch (HttpRequestException)
        {
            // The connection may be gone before the client has read the answer; what counts is that reading ended.
        }

        await JsonAsync(await (await site.AsAsync()).GetAsync("/api/vms", Cancellation));
    }

    private Task RefusedAsync(string path, string body, string expected) => RefusedAsync(path, Encoding.UTF8.GetBytes(body), expected);

    private async Task RefusedAsync(string path, byte[] body, string expected)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        var client = await site.AsAsync();
        var before = site.Engine.Tasks.List().Count;
        var answer = await client.PostAsync($"/api/{path.Replace("{dc}", site.Datacenter.ToString(), StringComparison.Ordinal)}", content, Cancellation);
        var problem = await ProblemAsync(answer, 400, "InvalidArgument");
        Assert.Contains(expected, problem.Detail, StringComparison.Ordinal);
        Assert.Equal(before, site.Engine.Tasks.List().Count);
    }

    /// <summary>A body without end, for which no length is announced.</summary>
    private sealed class Endless : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            buffer.AsSpan(offset, count).Fill((byte)' ');
            return count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
