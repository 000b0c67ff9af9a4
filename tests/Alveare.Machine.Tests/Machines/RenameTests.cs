using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Clones;
using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

/// <summary>A machine's name is in its <c>.vmx</c>, and everything that its host says of it has that name.</summary>
public sealed class RenameTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMachineThatRunsIsRenamedAtOnceAndForTheNextAgentAndItsGuestNoticesNothing()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        var config = Path.Combine(room.DatastorePath, machine.Config.Path);
        File.WriteAllText(config, $"annotation = \"somebody's\"\n{File.ReadAllText(config)}");

        var reply = (MachineReply)await MachineRoom.ExecuteAsync(first, new RenameMachine(machine.Id, "Straße 7"));

        Assert.Equal(machine.Spec! with { Name = "Straße 7" }, reply.Machine.Spec);
        Assert.Equal((machine.Config, machine.LockEpoch), (reply.Machine.Config, reply.Machine.LockEpoch));
        Assert.Contains("displayName = \"Straße 7\"", File.ReadAllText(config), StringComparison.Ordinal);
        Assert.Contains("annotation = \"somebody's\"", File.ReadAllText(config), StringComparison.Ordinal);
        Assert.Contains("'Straße 7'", (await Cloning.RefusedAsync(first, new DestroyMachine(machine.Id))).Message, StringComparison.Ordinal);
        using (var serial = await MachineRoom.OpenSerialAsync(first, machine.Id))
            await TickingGuest.NextCountAsync(serial, Cancellation);
        await first.DisposeAsync();
        var second = await room.OpenHostAsync("a");
        Assert.Equal(("Straße 7", PowerState.On), await StateAsync(second));
        var died = MachineRoom.NextEventAsync(second);
        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));
        Assert.Contains("'Straße 7'", (await died).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineThatIsOffAndATemplateAreRenamedUnderTheirLock()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var other = await room.OpenHostAsync("b");
        var machine = await room.CreateTickingAsync(host, "tick");
        await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, machine.Spec! with { IsTemplate = true }));

        var reply = (MachineReply)await MachineRoom.ExecuteAsync(host, new RenameMachine(machine.Id, "golden"));

        Assert.Equal(("golden", true, 4), (reply.Machine.Spec!.Name, reply.Machine.Spec.IsTemplate, reply.Machine.LockEpoch));
        Assert.Equal(reply, await MachineRoom.ExecuteAsync(host, new RenameMachine(machine.Id, "golden")));
        await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, reply.Machine.Spec with { IsTemplate = false }));
        await MachineRoom.ExecuteAsync(host, new UnregisterMachine(machine.Id));
        Assert.Equal("golden", ((MachineReply)await MachineRoom.ExecuteAsync(other, new RegisterMachine(machine.Config))).Machine.Spec!.Name);
        await MachineRoom.ExecuteAsync(host, new RegisterMachine(machine.Config));
        await Cloning.TicksAsync(other, machine);
        Assert.IsType<MachineLocked>(await Cloning.RefusedAsync(host, new RenameMachine(machine.Id, "another")));
        Assert.Contains("displayName = \"golden\"", File.ReadAllText(Path.Combine(room.DatastorePath, machine.Config.Path)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineThatMovesKeepsItsNameUntilItHasArrived()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        await MachineRoom.ExecuteAsync(source, new RenameMachine(machine.Id, "shop"));
        var (migration, settings) = (MachineRoom.Ids.NewUuid(), new MigrationSettings { BandwidthLimit = 500_000, MaxPause = TimeSpan.FromSeconds(1.5), AutoConverge = false });
        var uri = await Move.PrepareAsync(source, target, machine, migration, settings);
        var arriving = MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration));
        var sending = MachineRoom.ExecuteAsync(source, new SendMachine(migration, machine.Id, target.Id, uri, settings));
        await MachineRoom.UntilAsync(target, machine.Id, m => m.Migration?.Phase == MigrationPhase.Transfer);

        Assert.IsType<InvalidState>(await Cloning.RefusedAsync(source, new RenameMachine(machine.Id, "late")));
        Assert.IsType<InvalidState>(await Cloning.RefusedAsync(target, new RenameMachine(machine.Id, "late")));

        await sending;
        Assert.Equal("shop", Assert.IsType<IncomingFinished>(await arriving).Machine.Spec!.Name);
        await MachineRoom.ExecuteAsync(target, new RenameMachine(machine.Id, "late"));
        Assert.Equal(("late", PowerState.On), await StateAsync(target));
    }

    [Fact]
    public async Task ANameWrittenByHandIsReadWhenItIsGivenAgain()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");
        var config = Path.Combine(room.DatastorePath, machine.Config.Path);
        File.WriteAllText(config, File.ReadAllText(config).Replace("displayName = \"tick\"", "displayName = \"shop\"", StringComparison.Ordinal));

        var reply = (MachineReply)await MachineRoom.ExecuteAsync(host, new RenameMachine(machine.Id, "shop"));

        Assert.Equal("shop", reply.Machine.Spec!.Name);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AFullDatastoreLeavesTheOldName(bool on)
    {
        await using var room = MachineRoom.Open();
        await using var small = SmallFileSystem.Mount(room.DatastorePath, Bytes.FromMib(16));
        var host = await room.OpenHostAsync("a");
        var machine = on ? await room.StartTickingAsync(host, "tick") : await room.CreateTickingAsync(host, "tick");
        var config = Path.Combine(room.DatastorePath, machine.Config.Path);
        var before = File.ReadAllBytes(config);
        small.Fill();

        Assert.Contains("'shared' is full", Assert.IsType<DatastoreFull>(await Cloning.RefusedAsync(host, new RenameMachine(machine.Id, "shop"))).Message, StringComparison.Ordinal);

        Assert.Equal(("tick", on ? PowerState.On : PowerState.Off), await StateAsync(host));
        Assert.Equal(before, File.ReadAllBytes(config));
        small.MakeRoom();
        await MachineRoom.ExecuteAsync(host, new RenameMachine(machine.Id, "shop"));
        Assert.Equal(("shop", on ? PowerState.On : PowerState.Off), await StateAsync(host));
    }

    [Fact]
    public async Task ANameThatNoFileCanHaveAndAFileThatIsNoneAreRefused()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");
        Assert.IsType<InvalidArgument>(await Cloning.RefusedAsync(host, new RenameMachine(machine.Id, "")));
        Assert.IsType<InvalidArgument>(await Cloning.RefusedAsync(host, new RenameMachine(machine.Id, new string('x', MachineLimits.MaxNameLength + 1))));
        Assert.Equal(("tick", PowerState.Off), await StateAsync(host));
        File.WriteAllText(Path.Combine(room.DatastorePath, machine.Config.Path), "no configuration");
        Assert.IsType<InvalidMachine>(await Cloning.RefusedAsync(host, new RenameMachine(machine.Id, "shop")));
        Assert.Equal("no configuration", File.ReadAllText(Path.Combine(room.DatastorePath, machine.Config.Path)));
    }

    [Fact]
    public async Task ASourceSaysWhatItsLinkedCloneIsCalledNow()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(host, "source");
        var clone = await Cloning.CloneAsync(room, host, source, "clone", CloneKind.Linked);

        await MachineRoom.ExecuteAsync(host, new RenameMachine(clone.Id, "shop"));

        Assert.Contains("'shop'", Assert.IsType<ObjectInUse>(await Cloning.RefusedAsync(host, new DestroyMachine(source.Id))).By, StringComparison.Ordinal);
    }

    private static async Task<(string Name, PowerState Power)> StateAsync(IHost host)
    {
        var machine = Assert.Single((await host.ObserveAsync(Cancellation)).Machines);
        return (machine.Spec!.Name, machine.Power);
    }
}
