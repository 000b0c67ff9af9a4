using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Guest;

/// <summary>A real Linux guest that is asked to shut down.</summary>
public sealed class ShutdownTests
{
    // Everything that the guest does before it listens to its power button, and a word on its serial line when it does. Its agent is gone by then.
    private static readonly string[] WithoutAgent =
    [
        "rm /usr/sbin/qemu-ga",
        "while pidof qemu-ga; do killall qemu-ga; usleep 100000; done",
        "until ls -l /proc/$(pidof acpid)/fd | grep event; do usleep 100000; done",
        "echo no agent is left >/dev/ttyS0",
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AUefiGuestBootsAndIsShutDownByItsAgent()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await LinuxMachine.CreateAsync(room, host, NewSpec("efi", Firmware.Uefi));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        await MachineRoom.UntilAsync(host, machine.Id, m => m.Guest?.HostName == "efi");

        await AssertShutsDownAsync(room, host, machine);
        Assert.DoesNotContain("power button", LogOf(room, "efi"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AGuestWithoutAnAgentIsShutDownByItsPowerButton()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await LinuxMachine.CreateAsync(room, host, NewSpec("bios", Firmware.Bios), WithoutAgent);
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        using (var serial = await MachineRoom.OpenSerialAsync(host, machine.Id))
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            limit.CancelAfter(MachineRoom.Patience);
            while (await serial.ReadLineAsync(limit.Token) is { } line && !line.Contains("no agent is left", StringComparison.Ordinal))
                continue;
        }

        await AssertShutsDownAsync(room, host, machine);
        Assert.Contains("power button", LogOf(room, "bios"), StringComparison.Ordinal);
    }

    private static async Task AssertShutsDownAsync(MachineRoom room, IHost host, HostMachine machine)
    {
        var ended = MachineRoom.NextEventAsync(host);
        await MachineRoom.ExecuteAsync(host, new ShutDownGuest(machine.Id));

        var raised = await ended;
        Assert.Equal(("vm.guest-powered-off", false), (raised.Kind, raised.IsProblem));
        Assert.Equal(machine.Id, raised.Subject);
        Assert.Equal(PowerState.Off, Assert.Single((await host.ObserveAsync(Cancellation)).Machines).Power);
        Assert.Empty(room.LivingProcesses());
    }

    private static string LogOf(MachineRoom room, string name) => File.ReadAllText(Path.Combine(room.DatastorePath, name, $"{name}.log"));

    private static MachineSpec NewSpec(string name, Firmware firmware) => new()
    {
        Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(192), Firmware = firmware,
    };
}
