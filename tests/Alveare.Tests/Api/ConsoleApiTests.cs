using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using Alveare.Core.Consoles;
using Alveare.Model;
using Alveare.Wire.Rest;
using Xunit;
using static Alveare.Tests.Api.ApiSite;

namespace Alveare.Tests.Api;

/// <summary>Consoles as WebSockets, from the API to a simulated host whose guest greets and echoes.</summary>
public sealed class ConsoleApiTests(ConsoleSite consoles) : IClassFixture<ConsoleSite>
{
    private readonly ApiSite site = consoles.Site;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheSerialConsoleCarriesBytesBothWays()
    {
        var vm = await consoles.RunningAsync("both");
        using var socket = await OpenAsync(vm, "serial");
        Assert.Equal("binary", socket.SubProtocol);
        Assert.Equal("both login: ", await ReadAsync(socket, 12));
        await socket.SendAsync("root\r"u8.ToArray(), WebSocketMessageType.Binary, endOfMessage: true, Cancellation);
        Assert.Equal("root\r", await ReadAsync(socket, 5));
    }

    [Fact]
    public async Task TheScreenGreetsInVncsProtocol()
    {
        using var socket = await OpenAsync(await consoles.RunningAsync("screen"), "vnc");
        Assert.Equal("RFB 003.008\n", await ReadAsync(socket, 12));
    }

    [Fact]
    public async Task ATicketOpensItsConsoleOnceAndNoOther()
    {
        var vm = await consoles.RunningAsync("ticket");
        var first = await TicketAsync(vm, "serial");
        using (var socket = await ConnectAsync(first.Path, token: null))
            Assert.Equal("ticket login: ", await ReadAsync(socket, 14));
        Assert.Equal(401, await RefusedAsync(first.Path));

        var other = await TicketAsync(vm, "serial");
        Assert.Equal(401, await RefusedAsync(other.Path.Replace("serial", "vnc", StringComparison.Ordinal)));
        Assert.Equal(401, await RefusedAsync(other.Path));

        var late = await TicketAsync(vm, "vnc");
        site.Clock.Advance(ConsoleTickets.Lifetime);
        Assert.Equal(401, await RefusedAsync(late.Path));
    }

    [Fact]
    public async Task WhoMayOnlyReadGetsNoConsoleAndTheAttemptIsAudited()
    {
        var vm = await consoles.RunningAsync("secret");
        var rita = await site.AsAsync("rita");
        await ProblemAsync(await rita.PostAsync($"/api/vms/{vm}:console", Json("""{"console":"serial"}"""), Cancellation), 403, "NoPermission");
        Assert.Equal(403, await RefusedAsync($"/api/vms/{vm}/console/serial", TokenOf(rita)));
        using (await OpenAsync(vm, "serial", "olga"))
        {
            var audit = site.Engine.Events.Since(0).Where(e => e.Subject == vm).Select(e => e.Message).ToList();
            Assert.Contains("'olga' opened the serial console of 'secret'.", audit);
            Assert.Equal(2, audit.Count(m => m.StartsWith("vm.console was refused", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task WhatIsInTheWayIsAProblemBeforeTheUpgrade()
    {
        var vm = await consoles.RunningAsync("off");
        await consoles.DoAsync($"vms/{vm}:power-off");
        Assert.Equal(409, await RefusedAsync($"/api/vms/{vm}/console/serial", TokenOf(await site.AsAsync())));
        var admin = await site.AsAsync();
        await ProblemAsync(await admin.GetAsync($"/api/vms/{vm}/console/serial", Cancellation), 400, "InvalidArgument");
        await ProblemAsync(await admin.PostAsync($"/api/vms/{vm}:console", Json("""{"console":"tty"}"""), Cancellation), 400, "InvalidArgument");
        var problem = await ProblemAsync(await admin.PostAsync($"/api/vms/{vm}:console", Json("""{"console":"vnc"}"""), Cancellation), 409, "InvalidPowerState");
        Assert.StartsWith("Virtual machine 'off' is off; this operation needs it to be", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineThatEndsClosesItsConsoleWithTheReason()
    {
        var vm = await consoles.RunningAsync("ending");
        using var socket = await OpenAsync(vm, "serial");
        await consoles.DoAsync($"vms/{vm}:power-off");
        await UntilClosedAsync(socket);
        Assert.Equal(ConsoleCloseCode.Off, (int)socket.CloseStatus!.Value);
        Assert.Equal("Virtual machine 'ending' is off.", socket.CloseStatusDescription);
    }

    [Fact]
    public async Task AMachineThatMovesClosesItsConsoleAndItOpensAgainOnTheNewHost()
    {
        var vm = await consoles.RunningAsync("moving");
        using var socket = await OpenAsync(vm, "serial");
        await consoles.DoAsync($"vms/{vm}:migrate");
        await UntilClosedAsync(socket);
        Assert.Equal(ConsoleCloseCode.Moving, (int)socket.CloseStatus!.Value);
        using var again = await OpenAsync(vm, "serial");
        Assert.Equal("moving login: ", await ReadAsync(again, 14));
    }

    [Fact]
    public async Task ALostHostClosesItsConsoles()
    {
        var vm = await consoles.RunningAsync("cut");
        using var socket = await OpenAsync(vm, "serial");
        var host = site.Simulation.Hosts.Single(h => h.Living.Any(q => q.Machine == vm));
        host.KillAgent();
        await UntilClosedAsync(socket);
        Assert.Equal(ConsoleCloseCode.HostLost, (int)socket.CloseStatus!.Value);
        host.StartAgent();
        while (!site.Engine.Hosts.IsConnected(host.Id))
        {
            var connected = site.Engine.Hosts.ConnectedAsync(host.Id, Cancellation);
            site.Clock.Advance(TimeSpan.FromSeconds(10));
            await connected.WaitAsync(Patience.Longest, Cancellation);
        }
    }

    [Fact]
    public async Task AViewerThatDoesNotReadHoldsItsGuestsEchoBackAndNothingElse()
    {
        var vm = await consoles.RunningAsync("slow");
        using var slow = await OpenAsync(vm, "serial");
        // More than all buffers of a connection on the way hold, twice over: without back pressure all of it would be taken.
        var piece = new byte[64 * 1024];
        var sent = 0L;
        await slow.SendAsync(piece, WebSocketMessageType.Binary, endOfMessage: true, Cancellation);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            while (sent < 256L << 20)
            {
                await slow.SendAsync(piece, WebSocketMessageType.Binary, endOfMessage: true, patience.Token);
                sent += piece.Length;
            }
        }
        catch (OperationCanceledException)
        {
        }

        Assert.InRange(sent, 0, 128L << 20);
        using var other = await OpenAsync(vm, "serial");
        Assert.Equal("slow login: ", await ReadAsync(other, 12));
    }

    [Fact]
    public async Task ThereAreOnlySoManyConsolesOfOneMachine()
    {
        var vm = await consoles.RunningAsync("many");
        var open = new List<ClientWebSocket>();
        for (var n = 0; n < MachineConsoles.MostPerMachine; n++)
            open.Add(await OpenAsync(vm, "serial"));
        Assert.Equal(409, await RefusedAsync($"/api/vms/{vm}/console/serial", TokenOf(await site.AsAsync())));
        foreach (var socket in open)
        {
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Cancellation);
            socket.Dispose();
        }
    }

    private static string TokenOf(HttpClient client) => client.DefaultRequestHeaders.Authorization!.Parameter!;

    private static async Task<string> ReadAsync(ClientWebSocket socket, int count)
    {
        var buffer = new byte[count];
        for (var read = 0; read < count;)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(read), Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
            Assert.Equal(WebSocketMessageType.Binary, received.MessageType);
            read += received.Count;
        }

        return Encoding.UTF8.GetString(buffer);
    }

    private static async Task UntilClosedAsync(ClientWebSocket socket)
    {
        var buffer = new byte[1024];
        while ((await socket.ReceiveAsync(buffer.AsMemory(), Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation)).MessageType != WebSocketMessageType.Close)
        {
        }
    }

    private async Task<ConsoleTicketAnswer> TicketAsync(EntityId vm, string console)
    {
        var answer = await (await site.AsAsync()).PostAsync($"/api/vms/{vm}:console", Json($$"""{"console":"{{console}}"}"""), Cancellation);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<ConsoleTicketAnswer>(Cancellation))!;
    }

    private async Task<ClientWebSocket> OpenAsync(EntityId vm, string console, string user = "admin") =>
        await ConnectAsync($"/api/vms/{vm}/console/{console}", TokenOf(await site.AsAsync(user)));

    private async Task<ClientWebSocket> ConnectAsync(string path, string? token)
    {
        var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("binary");
        socket.Options.CollectHttpResponseDetails = true;
        if (token is not null)
            socket.Options.SetRequestHeader("Authorization", $"Bearer {token}");
        try
        {
            await socket.ConnectAsync(new Uri(new UriBuilder(site.Url) { Scheme = "ws" }.Uri, path), Cancellation).WaitAsync(Patience.Longest, Cancellation);
            return socket;
        }
        catch (WebSocketException e) when (socket.HttpStatusCode != 0)
        {
            socket.Dispose();
            throw new InvalidOperationException($"{(int)socket.HttpStatusCode}", e);
        }
    }

    // The status with which opening is refused.
    private async Task<int> RefusedAsync(string path, string? token = null)
    {
        var refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => ConnectAsync(path, token));
        return int.Parse(refusal.Message, System.Globalization.CultureInfo.InvariantCulture);
    }
}
