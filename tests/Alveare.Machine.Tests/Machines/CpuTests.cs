using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

/// <summary>The CPU that a guest sees: what it was told at its start, kept on the way to another host and over a restart of the agent.</summary>
public sealed class CpuTests
{
    [Fact]
    public async Task EachLevelIsACpuThatQemuTakesAndOneThatIsNotThereEndsTheStart()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");
        await MachineRoom.UntilAsync(() => FactsOf(host).CpuFeatures.Length > 0, "the accelerator is chosen");
        foreach (var level in CpuBaselines.Levels)
        {
            var start = new StartMachine(machine.Id, 0, CpuModel: level);
            if (!CpuBaselines.Missing(level, FactsOf(host))!.Value.IsEmpty)
            {
                var refused = await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, start));
                Assert.Contains("feature", Assert.IsType<MachineStartFailed>(refused.Fault).Message);
                continue;
            }

            var started = ((MachineReply)await MachineRoom.ExecuteAsync(host, start)).Machine;
            Assert.Equal(level, started.CpuModel);
            using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
            await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
            var stopped = ((MachineReply)await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id))).Machine;
            Assert.Null(stopped.CpuModel);
        }
    }

    [Fact]
    public async Task AGuestKeepsItsCpuOnTheWayToAnotherHost()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var created = await room.CreateTickingAsync(source, "tick");
        var machine = ((MachineReply)await MachineRoom.ExecuteAsync(source, new StartMachine(created.Id, 0, CpuModel: "x86-64-v1"))).Machine;
        var (_, arrived) = await Move.RunAsync(room, source, target, machine, new MigrationSettings());
        Assert.Equal("x86-64-v1", arrived.Machine.CpuModel);
        var command = await File.ReadAllTextAsync($"/proc/{Assert.Single(room.LivingProcesses())}/cmdline", TestContext.Current.CancellationToken);
        Assert.Contains("-cpu\0qemu64,-svm\0", command);
    }

    private static HostFacts FactsOf(Alveare.Core.Hosts.IHost host) => host.ObserveAsync(TestContext.Current.CancellationToken).Result.Facts;
}
