using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Clones;

public sealed class FullCloneTests
{
    [Fact]
    public async Task AFullCloneStandsAloneAndIsAsLargeAsWanted()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(host, "source");
        var command = Cloning.Command(room, source, "clone", CloneKind.Full);
        var larger = command.Spec.Disks[0] with { Capacity = Bytes.FromMib(64) };
        command = command with { Spec = command.Spec with { Disks = [larger, new DiskSpec("any", Bytes.FromMib(8))] } };
        var seen = new Progress();

        var clone = ((MachineReply)await host.ExecuteAsync(command, seen, TestContext.Current.CancellationToken)).Machine;

        Assert.Equal(["clone.qcow2", "clone-1.qcow2"], clone.Spec!.Disks.Select(d => d.File));
        Assert.Equal(100, seen.Percents[^1]);
        Assert.Equal(seen.Percents.Order(), seen.Percents);
        await MachineRoom.ExecuteAsync(host, new DestroyMachine(source.Id));
        await Cloning.TicksAsync(host, clone);
    }

    [Fact]
    public async Task ACancelledCopyLeavesNothingBehind()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await Cloning.CreateFullAsync(room, host, "source", Bytes.FromMib(256));
        using var cancel = new CancellationTokenSource();
        var progress = new Progress { OnReport = _ => cancel.Cancel() };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => host.ExecuteAsync(Cloning.Command(room, source, "clone", CloneKind.Full), progress, cancel.Token));

        Assert.Equal(["source"], Names(room));
        Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        await MachineRoom.ExecuteAsync(host, new DestroyMachine(source.Id));
        Assert.Empty(Names(room));
    }

    [Fact]
    public async Task AFullDatastoreInMidCopyIsAFaultAndLeavesNothingBehind()
    {
        await using var room = MachineRoom.Open();
        await using var small = SmallFileSystem.Mount(room.DatastorePath, Bytes.FromMib(24));
        var host = await room.OpenHostAsync("a");
        var source = await Cloning.CreateFullAsync(room, host, "source", Bytes.FromMib(16));

        var refused = await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", CloneKind.Full));

        Assert.IsType<DatastoreFull>(refused);
        Assert.Equal(["source"], Names(room));
        Assert.Equal(source, Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines));
    }

    [Fact]
    public async Task ACopyThatAKilledAgentBeganIsTakenBackByTheNextOne()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await Cloning.CreateFullAsync(room, host, "source", Bytes.FromMib(256));
        // Stands for the killed agent: this one goes on once the next one is there, which must not mind.
        var (begun, next) = (new TaskCompletionSource(), new TaskCompletionSource<KvmHost>());
        var progress = new Progress
        {
            OnReport = _ =>
            {
                begun.TrySetResult();
                next.Task.Wait(MachineRoom.Patience);
            },
        };
        var cloning = Task.Run(
            () => host.ExecuteAsync(Cloning.Command(room, source, "clone", CloneKind.Full), progress, TestContext.Current.CancellationToken));
        await begun.Task.WaitAsync(TestContext.Current.CancellationToken);

        next.SetResult(await room.OpenHostAsync("a"));

        await Assert.ThrowsAsync<FaultException>(() => cloning);
        Assert.Equal(["source"], Names(room));
        Assert.Single((await (await next.Task).ObserveAsync(TestContext.Current.CancellationToken)).Machines);
    }

    [Fact]
    public async Task WhatAKilledAgentLeftOfACloneGoesWhenItsDatastoreIsThere()
    {
        await using var room = MachineRoom.Open();
        await (await room.OpenHostAsync("a")).DisposeAsync();
        var records = Path.Combine(room.Path, "a", "clones");
        Directory.CreateDirectory(records);
        // As an agent leaves it that is killed while it copies.
        await File.WriteAllBytesAsync(
            Path.Combine(records, "killed.json"), ModelJson.WriteBytes(new { Config = room.ConfigOf("clone"), Files = new[] { "clone.qcow2" } }), TestContext.Current.CancellationToken);
        Directory.CreateDirectory(Path.GetDirectoryName(Cloning.DiskOf(room, "clone"))!);
        await File.WriteAllTextAsync(Cloning.DiskOf(room, "clone"), "", TestContext.Current.CancellationToken);
        Directory.Move(room.DatastorePath, room.DatastorePath + "-away");
        // The agent has started; that its datastore is offered anew is refused.
        await Assert.ThrowsAsync<FaultException>(() => room.OpenHostAsync("a"));

        Directory.Move(room.DatastorePath + "-away", room.DatastorePath);

        await MachineRoom.UntilAsync(() => Directory.GetFiles(records).Length == 0, "what was left is removed");
        Assert.Empty(Names(room));
    }

    private static IEnumerable<string> Names(MachineRoom room) =>
        Directory.GetFileSystemEntries(room.DatastorePath).Select(e => Path.GetFileName(e)).Where(n => !n.StartsWith('.')).Order();

    private sealed class Progress : IProgress<HostProgress>
    {
        public List<double> Percents { get; } = [];

        public Action<HostProgress>? OnReport { get; init; }

        public void Report(HostProgress value)
        {
            Percents.Add(value.Percent ?? -1);
            OnReport?.Invoke(value);
        }
    }
}
