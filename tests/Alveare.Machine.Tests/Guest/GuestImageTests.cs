using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Alveare.Machine.Tests.Room;
using Xunit;

namespace Alveare.Machine.Tests.Guest;

/// <summary>The guest that the lab deploys, booted from its disk by a bare QEMU.</summary>
public sealed class GuestImageTests : IDisposable
{
    private const string Address = "10.0.2.77";

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("alv-guest-");

    [Fact]
    public async Task AGuestTakesItsSeedOnceServesAndKeepsItsDataOverARestart()
    {
        var disk = await CopyAsync();
        var seed = Path.Combine(directory.FullName, "seed.img");
        Seed.Write(seed, "first", "demo-7", Address + "/24");
        await using (var guest = BootedGuest.Start(directory.FullName, disk, seed, $"user,hostfwd=tcp:127.0.0.1:0-{Address}:7"))
        {
            await guest.AgentAnswersAsync();
            Assert.Equal("demo-7", (string)(await guest.AskAgentAsync("guest-get-host-name"))["host-name"]!);
            Assert.Contains(Address, AddressesOf(await guest.AskAgentAsync("guest-network-get-interfaces")));
            Assert.Equal("ssh-ed25519 AAAA test\n", await guest.ReadFileAsync("/root/.ssh/authorized_keys"));
            await AssertEchoAsync(await guest.ForwardedPortAsync());
            await CommandsAreDoneAsync(guest);
            await guest.PressPowerButtonAsync();
            Assert.Equal(0, guest.ExitCode);
        }

        // The same seed stays attached: the second boot must not take it for news.
        await using (var guest = BootedGuest.Start(directory.FullName, disk, seed, "user"))
        {
            await guest.AgentAnswersAsync();
            Assert.Equal("first\n", await guest.ReadFileAsync("/root/ran"));
            Assert.Equal("demo-7", (string)(await guest.AskAgentAsync("guest-get-host-name"))["host-name"]!);
            Assert.Contains(Address, AddressesOf(await guest.AskAgentAsync("guest-network-get-interfaces")));
            await Assert.ThrowsAnyAsync<Exception>(() => guest.AskAgentAsync("guest-no-such-command"));
            await guest.PressPowerButtonAsync();
        }
    }

    public void Dispose() => directory.Delete(recursive: true);

    private async Task<string> CopyAsync()
    {
        var copy = await GuestImage.CopyAsync(directory.FullName);
        Assert.InRange(new FileInfo(copy).Length, 1, 60_000_000);
        return copy;
    }

    // The last command of the seed comes after the first, so its trace means that both are done.
    private static async Task CommandsAreDoneAsync(BootedGuest guest)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await guest.ReadFileAsync("/root/two words");
                return;
            }
            catch (InvalidOperationException) when (tries < 100)
            {
                await Task.Delay(100, TestContext.Current.CancellationToken);
            }
        }
    }

    private static async Task AssertEchoAsync(int port)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
        var stream = client.GetStream();
        await stream.WriteAsync("a line\n"u8.ToArray(), TestContext.Current.CancellationToken);
        var answer = new byte[7];
        await stream.ReadExactlyAsync(answer, TestContext.Current.CancellationToken).AsTask().WaitAsync(MachineRoom.Patience);
        Assert.Equal("a line\n"u8, answer);
    }

    private static List<string> AddressesOf(JsonNode interfaces) =>
    [
        .. interfaces.AsArray()
            .SelectMany(i => i!["ip-addresses"]?.AsArray() ?? [])
            .Select(a => (string)a!["ip-address"]!),
    ];
}
