using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Kvm.Locks;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

/// <summary>An agent that is restarted while one of its datastores does not answer.</summary>
public sealed class HangingDatastoreTests : IAsyncLifetime
{
    private static readonly EntityId Remote = EntityId.Datastore(Guid.NewGuid());

    private readonly MachineRoom room = MachineRoom.Open();
    private KvmHost first = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string RemotePath => Path.Combine(room.Path, "remote");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(RemotePath);
        first = await room.OpenHostAsync("a");
        await MountAsync(first);
    }

    public ValueTask DisposeAsync() => room.DisposeAsync();

    [Fact]
    public async Task WhatRunsIsAdoptedAndWhatOnlyTheDatastoreTellsWaitsForIt()
    {
        var well = await room.StartTickingAsync(first, "well");
        var ill = await StartAsync("ill");
        var off = await CreateAsync("off");
        await first.DisposeAsync();

        KvmHost second;
        using (HangingFileSystem.Over(RemotePath))
        {
            second = await RestartAsync();

            Assert.Equal((PowerState.On, well.LockEpoch, well.Spec), Described(await OfAsync(second, well)));
            Assert.Equal((PowerState.On, ill.LockEpoch, ill.Spec), Described(await OfAsync(second, ill)));
            Assert.True((await OfAsync(second, off)) is { IsUnread: true, Power: PowerState.Unknown });
            await MachineRoom.ExecuteAsync(second, new StopMachine(well.Id));
            await MachineRoom.ExecuteAsync(second, new StartMachine(well.Id, 0));
            await MachineRoom.ExecuteAsync(second, new PauseMachine(ill.Id));
            await MachineRoom.ExecuteAsync(second, new ResumeMachine(ill.Id));
            using var serial = await MachineRoom.OpenSerialAsync(second, ill.Id);
            await TickingGuest.NextCountAsync(serial, Cancellation);
            Assert.Contains("has not answered", await RefusalAsync(second, new StartMachine(off.Id, 0)), StringComparison.Ordinal);
            await RefusalAsync(second, new DestroyMachine(off.Id));
            await RefusalAsync(second, new UnregisterMachine(off.Id));
            await RefusalAsync(second, new SetMachineResources(off.Id, off.Spec!.Resources));
        }

        await MountAsync(second);
        await MachineRoom.UntilAsync(second, off.Id, m => m is { Power: PowerState.Off, Spec: not null });
        Assert.Equal(off with { Revision = 0 }, await OfAsync(second, off) with { Revision = 0 });
        await MachineRoom.ExecuteAsync(second, new StartMachine(off.Id, 0));
        await MachineRoom.ExecuteAsync(second, new StopMachine(ill.Id));
        Assert.Equal(PowerState.Off, (await OfAsync(second, ill)).Power);
    }

    [Fact]
    public async Task AMachineThatDiedMeanwhileIsOffWhenItsDatastoreIsBack()
    {
        var ill = await StartAsync("ill");
        await first.DisposeAsync();
        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));
        await room.EndedAsync("a");

        KvmHost third;
        using (HangingFileSystem.Over(RemotePath))
        {
            var second = await RestartAsync();
            Assert.True((await OfAsync(second, ill)) is { IsUnread: true, Power: PowerState.Unknown });
            await RefusalAsync(second, new StartMachine(ill.Id, 0));
            // This one ends too before it could see to anything.
            await second.DisposeAsync();
            third = await RestartAsync();
            Assert.Equal(PowerState.Unknown, (await OfAsync(third, ill)).Power);
        }

        await MountAsync(third);
        await MachineRoom.UntilAsync(third, ill.Id, m => m.Power == PowerState.Off && m.Spec is not null);
        Assert.Equal(ill.LockEpoch + 1, (await OfAsync(third, ill)).LockEpoch);
        var died = await MachineRoom.NextEventAsync(third);
        Assert.Equal("vm.died", died.Kind);
        Assert.Contains("SIGKILL", died.Message, StringComparison.Ordinal);
        await MachineRoom.ExecuteAsync(third, new StartMachine(ill.Id, 0));
    }

    [Fact]
    public async Task AStartThatWasNotFinishedIsFinishedWhenTheLockIsSeenToBeOurs()
    {
        var ill = await CreateAsync("ill");
        await MachineRoom.ExecuteAsync(first, new StartMachine(ill.Id, 0, Paused: true));
        await first.DisposeAsync();
        // As an agent leaves it that is killed before it lets the guest execute.
        var note = Path.Combine(room.Path, "a", "run", ill.Spec!.Uuid.ToString("N"), "run.json");
        await File.WriteAllTextAsync(note, (await File.ReadAllTextAsync(note, Cancellation)).Replace("\"hasBegun\":true", "\"hasBegun\":false", StringComparison.Ordinal), Cancellation);
        Assert.Contains("\"hasBegun\":false", await File.ReadAllTextAsync(note, Cancellation), StringComparison.Ordinal);

        KvmHost second;
        using (HangingFileSystem.Over(RemotePath))
        {
            second = await RestartAsync();
            Assert.Equal(PowerState.Paused, (await OfAsync(second, ill)).Power);
        }

        await MountAsync(second);
        await MachineRoom.UntilAsync(second, ill.Id, m => m.Power == PowerState.On);
    }

    [Fact]
    public async Task AMachineThatAnotherHostHasTakenMeanwhileIsEndedWhenThatIsSeen()
    {
        var ill = await StartAsync("ill");
        await first.DisposeAsync();
        var taken = new LockRecord(ill.LockEpoch + 1, room.IdOf("b"), "b", "another boot");
        await File.WriteAllBytesAsync(Path.Combine(RemotePath, "ill", $"ill.lock.{taken.Epoch}"), ModelJson.WriteBytes(taken), Cancellation);

        KvmHost second;
        using (HangingFileSystem.Over(RemotePath))
        {
            second = await RestartAsync();
            Assert.Equal(PowerState.On, (await OfAsync(second, ill)).Power);
        }

        await MountAsync(second);
        await MachineRoom.UntilAsync(second, ill.Id, m => m.Power == PowerState.Off && m.LockEpoch == taken.Epoch);
        Assert.Empty(room.LivingProcesses());
        await ToldAsync(second, "vm.fenced");
    }

    private Task MountAsync(IHost host) => MachineRoom.ExecuteAsync(host, new MountDatastore(Remote, "remote", RemotePath, Mark: true));

    private Task<KvmHost> RestartAsync() => room.OpenHostAsync("a").WaitAsync(MachineRoom.Patience, Cancellation);

    private async Task<HostMachine> CreateAsync(string name)
    {
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(),
            Name = name,
            Cpus = 1,
            Memory = Bytes.FromMib(32),
            Disks = [new DiskSpec($"{name}.raw", new Bytes(TickingGuest.DiskSize), DiskFormat.Raw) { Control = new DiskControl { Shares = 2000 } }],
        };
        var created = (MachineReply)await MachineRoom.ExecuteAsync(first, new CreateMachine(new DatastorePath(Remote, $"{name}/{name}.vmx"), spec));
        TickingGuest.WriteDisk(Path.Combine(RemotePath, name, $"{name}.raw"));
        return created.Machine;
    }

    private async Task<HostMachine> StartAsync(string name)
    {
        var machine = await CreateAsync(name);
        return ((MachineReply)await MachineRoom.ExecuteAsync(first, new StartMachine(machine.Id, 0))).Machine;
    }

    private static (PowerState Power, long LockEpoch, MachineSpec? Spec) Described(HostMachine machine) => (machine.Power, machine.LockEpoch, machine.Spec);

    private static async Task<HostMachine> OfAsync(IHost host, HostMachine machine) =>
        Assert.Single((await host.ObserveAsync(Cancellation)).Machines, m => m.Id == machine.Id);

    private static async Task ToldAsync(IHost host, string kind)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(MachineRoom.Patience);
        await foreach (var change in host.WatchAsync(limit.Token))
        {
            if (change is HostEventRaised raised && raised.Kind == kind)
                return;
        }
    }

    private static async Task<string> RefusalAsync(IHost host, HostCommand command) =>
        (await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, command))).Message;
}
