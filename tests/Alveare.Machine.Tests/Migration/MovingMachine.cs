using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>A ticking guest on host a that is to move to host b, step by step as a test wants.</summary>
public abstract class MovingMachine : IAsyncLifetime
{
    /// <summary>The first pass over the ticking guest's memory takes seconds; what the guest rewrites meanwhile (448 KiB) is then sent in one pause.</summary>
    private protected static readonly MigrationSettings Slow = new()
    {
        BandwidthLimit = 500_000, MaxPause = TimeSpan.FromSeconds(1.5), AutoConverge = false, SwitchTimeout = TimeSpan.FromSeconds(3),
    };

    /// <summary>The guest writes faster than this carries.</summary>
    private protected static readonly MigrationSettings Endless = Slow with { MaxPause = TimeSpan.FromMilliseconds(1) };

    private protected readonly MachineRoom room = MachineRoom.Open();
    private protected readonly Guid migration = Guid.NewGuid();
    private protected KvmHost source = null!;
    private protected KvmHost target = null!;
    private protected HostMachine machine = null!;
    private protected Task<HostReply> sending = null!;
    private protected Task<HostReply> arriving = null!;

    public async ValueTask InitializeAsync()
    {
        source = await room.OpenHostAsync("a");
        target = await room.OpenHostAsync("b");
        machine = await room.StartTickingAsync(source, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return room.DisposeAsync();
    }

    private protected async Task<string> PrepareAsync(MigrationSettings? settings = null)
    {
        var uri = await Move.PrepareAsync(source, target, machine, migration, settings ?? Slow);
        arriving = MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration));
        return uri;
    }

    private protected Task<HostReply> SendAsync(string uri, MigrationSettings? settings = null) =>
        MachineRoom.ExecuteAsync(source, new SendMachine(migration, machine.Id, target.Id, uri, settings ?? Slow));

    /// <summary>The transfer has begun.</summary>
    private protected async Task TransferAsync(Link? link = null, MigrationSettings? settings = null)
    {
        var uri = await PrepareAsync(settings);
        sending = SendAsync(link is null ? uri : await link.ToAsync(uri), settings);
        await MachineRoom.UntilAsync(target, machine.Id, m => m.Migration?.Phase == MigrationPhase.Transfer);
    }

    /// <summary>Everything is sent, and nobody is there to take the machine over.</summary>
    private protected async Task SwitchWithoutDestinationAgentAsync(MigrationSettings? settings = null)
    {
        await TransferAsync(settings: settings);
        await target.DisposeAsync();
        await MachineRoom.UntilAsync(source, machine.Id, m => m.Migration?.Phase == MigrationPhase.Switch);
    }

    /// <summary>Nobody sees the datastore until the answer is disposed.</summary>
    private protected IDisposable TakeDatastoreAway() => new Absence(room.DatastorePath);

    private protected static async Task FailsAsync(Task<HostReply> command, string? runsOn)
    {
        var failed = await Assert.ThrowsAsync<FaultException>(() => command.WaitAsync(MachineRoom.Patience));
        Assert.Equal(runsOn, Assert.IsType<MigrationFailed>(failed.Fault).RunsOn);
    }

    private protected static async Task FailsAsync(Task<HostReply> command) =>
        await Assert.ThrowsAsync<FaultException>(() => command.WaitAsync(MachineRoom.Patience));

    private protected async Task RunsAsync(IHost host)
    {
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        var count = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        Assert.Equal(count + 1, await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken));
    }

    private protected async Task RunsOnlyAsync(IHost host, string name)
    {
        await RunsAsync(host);
        await MachineRoom.UntilAsync(() => room.LivingProcesses().Count == 1, "one QEMU is left");
        Assert.Equal(room.ProcessOf(name), Assert.Single(room.LivingProcesses()));
        var other = host == source ? target : source;
        await MachineRoom.RemovedAsync(other, machine.Id);
        var there = Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.Equal(PowerState.On, there.Power);
        Assert.Null(there.Migration);
        // It can be used as before: stopped, and started again.
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, there.LockEpoch));
        await RunsAsync(host);
    }

    private protected async Task IsOffAsync(IHost host)
    {
        await MachineRoom.UntilAsync(() => room.LivingProcesses().Count == 0, "no QEMU is left");
        await MachineRoom.UntilAsync(host, machine.Id, m => m is { Power: PowerState.Off, Migration: null });
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        await RunsAsync(host);
    }

    private sealed class Absence : IDisposable
    {
        private readonly string directory;

        public Absence(string directory)
        {
            this.directory = directory;
            Directory.Move(directory, directory + "-away");
        }

        public void Dispose() => Directory.Move(directory + "-away", directory);
    }
}
