using System.Net.WebSockets;
using System.Text;
using Alveare.Cluster.Tests.Cluster;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Consoles;

/// <summary>Consoles of a real guest, from the center's API over the host link to QEMU.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ConsoleTests(TestCluster cluster)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheGuestAnswersOnItsSerialConsoleAlsoAsSoonAsItHasMoved()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        using var console = await OpenAsync(machine.Id, "serial");
        await UntilReadAsync(console, "login:", "\r");

        var from = await cluster.HostOfMachineAsync();
        var moving = cluster.Site.Client.RunAsync("vm.migrate", machine.Id, [], Cancellation);
        var buffer = new byte[4096];
        while ((await console.ReceiveAsync(buffer.AsMemory(), Cancellation).AsTask().WaitAsync(Until.Patience, Cancellation)).MessageType != WebSocketMessageType.Close)
        {
        }

        Assert.Equal(ConsoleCloseCode.Moving, (int)console.CloseStatus!.Value);
        using var again = await OpenAsync(machine.Id, "serial");
        await UntilReadAsync(again, "login:", "\r");
        Assert.Equal("succeeded", (await moving).State);
        Assert.NotEqual(from, await cluster.HostOfMachineAsync());
    }

    [Fact]
    public async Task TheScreenOfTheGuestSpeaksVnc()
    {
        await cluster.MendAsync();
        using var screen = await OpenAsync((await cluster.MachineAsync()).Id, "vnc");
        var greeting = new byte[12];
        var received = await screen.ReceiveAsync(greeting.AsMemory(), Cancellation).AsTask().WaitAsync(Until.Patience, Cancellation);
        Assert.Equal("RFB 003.008\n", Encoding.ASCII.GetString(greeting, 0, received.Count));
    }

    private Task<WebSocket> OpenAsync(string machine, string console) =>
        cluster.Site.Client.OpenSocketAsync($"vms/{machine}/console/{console}", Cancellation);

    // Types until the guest says what is expected: it may have said it before anybody listened.
    private static async Task UntilReadAsync(WebSocket console, string expected, string typed)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Until.Patience);
        await console.SendAsync(Encoding.ASCII.GetBytes(typed), WebSocketMessageType.Binary, endOfMessage: true, patience.Token);
        var said = new StringBuilder();
        var buffer = new byte[4096];
        while (!said.ToString().Contains(expected, StringComparison.Ordinal))
        {
            var received = await console.ReceiveAsync(buffer.AsMemory(), patience.Token);
            Assert.True(received.MessageType == WebSocketMessageType.Binary, $"Closed with {(int?)console.CloseStatus}: {console.CloseStatusDescription}");
            said.Append(Encoding.ASCII.GetString(buffer, 0, received.Count));
        }
    }
}
