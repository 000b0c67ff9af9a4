using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Agent;

/// <summary>The agent's program with a real guest, seen by a center over the host link.</summary>
public sealed class AgentProgramTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Signals.Terminate)]
    [InlineData(Signals.Kill)]
    public async Task AMachineRunsOnWhenTheAgentEndsAndItsCenterFindsItAgain(int signal)
    {
        await using var room = MachineRoom.Open();
        await using var first = AgentProcess.Start(room, "a");
        var center = room.NewCenter();
        var invitation = await first.ReadyAsync();
        var joined = await center.JoinAsync(invitation, Cancellation);
        await using var host = center.Connect(Record(joined, invitation));
        await MachineRoom.ExecuteAsync(host, new MountDatastore(room.Datastore, "shared", room.DatastorePath, Mark: true));
        var machine = await room.StartTickingAsync(host, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        var before = await CountAsync(host, machine);

        first.Signal(signal);
        var (code, said) = await first.EndedAsync();
        Assert.Equal(signal == Signals.Terminate ? 0 : 137, code);
        Assert.Equal(signal == Signals.Terminate, said.Contains("machines run on", StringComparison.Ordinal));

        await using var second = AgentProcess.Start(room, "a");
        var again = await second.ReadyAsync();
        Assert.Equal(invitation.Fingerprint, again.Fingerprint);
        await using var back = center.Connect(Record(joined, again));
        await MachineRoom.UntilAsync(back, machine.Id, m => m.Power == PowerState.On);
        Assert.Single((await back.ObserveAsync(Cancellation)).Machines);
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
        Assert.True(await CountAsync(back, machine) > before, "the guest stood still");
        await MachineRoom.ExecuteAsync(back, new StopMachine(machine.Id));
        Assert.Empty(room.LivingProcesses());
    }

    [Fact]
    public async Task HowAMachineEndedWhileItsAgentWasKilledIsToldByTheNextOne()
    {
        await using var room = MachineRoom.Open();
        await using var first = AgentProcess.Start(room, "a");
        var center = room.NewCenter();
        var invitation = await first.ReadyAsync();
        var joined = await center.JoinAsync(invitation, Cancellation);
        await using (var host = center.Connect(Record(joined, invitation)))
        {
            await MachineRoom.ExecuteAsync(host, new MountDatastore(room.Datastore, "shared", room.DatastorePath, Mark: true));
            await room.StartTickingAsync(host, "tick");
        }

        first.Signal(Signals.Kill);
        await first.EndedAsync();
        Signals.Send(Assert.Single(room.LivingProcesses()), Signals.Abort);
        await room.EndedAsync("a");

        await using var second = AgentProcess.Start(room, "a");
        await using var back = center.Connect(Record(joined, await second.ReadyAsync()));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(MachineRoom.Patience);
        var died = await back.WatchAsync(limit.Token).OfType<HostEventRaised>().FirstAsync(limit.Token);
        Assert.Equal("vm.died", died.Kind);
        Assert.Contains("SIGABRT", died.Message, StringComparison.Ordinal);
        Assert.Equal(PowerState.Off, Assert.Single((await back.ObserveAsync(Cancellation)).Machines).Power);
    }

    [Fact]
    public async Task NobodyElseReadsWhatAnAgentMakes()
    {
        await using var room = MachineRoom.Open();
        await using var agent = AgentProcess.Start(room, "a");
        var center = room.NewCenter();
        var invitation = await agent.ReadyAsync();
        await using var host = center.Connect(Record(await center.JoinAsync(invitation, Cancellation), invitation));
        await MachineRoom.ExecuteAsync(host, new MountDatastore(room.Datastore, "shared", room.DatastorePath, Mark: true));

        var machine = await room.StartTickingAsync(host, "tick");

        await CountAsync(host, machine);
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        var made = new DirectoryInfo(room.DatastorePath).GetFileSystemInfos("*", SearchOption.AllDirectories);
        Assert.Contains(made, f => f.Name == "tick.serial.log");
        Assert.All(made, f => Assert.Equal(UnixFileMode.None, f.UnixFileMode & Others));
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
    }

    [Fact]
    public async Task ASecondAgentOnTheSameStateIsRefused()
    {
        await using var room = MachineRoom.Open();
        await using var first = AgentProcess.Start(room, "a");
        await first.ReadyAsync();
        await using var second = AgentProcess.Start(room, "a");
        var (code, said) = await second.EndedAsync();
        Assert.Equal(1, code);
        Assert.Contains("in use by another copy", said, StringComparison.Ordinal);
    }

    private static async Task<uint> CountAsync(IHost host, HostMachine machine)
    {
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        bound.CancelAfter(MachineRoom.Patience);
        return await TickingGuest.NextCountAsync(serial, bound.Token);
    }

    private static Model.Inventory.Host Record(JoinedHost joined, HostInvitation at) =>
        new() { Id = joined.Id, Name = joined.HostName, Address = at.Address, Fingerprint = joined.Fingerprint };
}
