using System.Diagnostics;
using System.Net.Sockets;
using Alveare.Core.Hosts;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

public sealed class MigrationTests
{
    private const byte TlsHandshake = 0x16;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    // QEMU's stream begins with "QEVM", each further channel with a magic number that begins with 0x11.
    private static readonly byte[] PlainStarts = [(byte)'Q', 0x11];

    [Theory]
    [InlineData(0, false)]
    [InlineData(3, false)]
    [InlineData(0, true)]
    [InlineData(3, true)]
    public async Task ARunningGuestMovesAndGoesOnWhereItWas(int channels, bool encrypted)
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        using var before = await MachineRoom.OpenSerialAsync(source, machine.Id);
        var count = await TickingGuest.NextCountAsync(before, Cancellation);

        var settings = new MigrationSettings
        {
            Channels = channels,
            TlsKey = encrypted ? MachineRoom.Ids.NewSecret() : null,
        };
        await using var link = new Link();
        var (sent, arrived) = await Move.RunAsync(room, source, target, machine, settings, link);

        Assert.Equal(1 + channels, link.FirstBytes.Count);
        Assert.All(link.FirstBytes, first => Assert.Contains(first, encrypted ? [TlsHandshake] : PlainStarts));

        Assert.Equal(PowerState.On, arrived.Machine.Power);
        Assert.Equal(machine.LockEpoch + 1, arrived.Machine.LockEpoch);
        Assert.True(sent.Transferred.Value > 0);
        Assert.Empty((await source.ObserveAsync(Cancellation)).Machines);
        using var after = await MachineRoom.OpenSerialAsync(target, machine.Id);
        Assert.True(await TickingGuest.NextCountAsync(after, Cancellation) > count);
        Assert.Single(room.LivingProcesses());
    }

    [Fact]
    public async Task AMachineArrivesThoughItsDatastoreHasFilledUpMeanwhileAndDoesNotLeaveOneThatIsFull()
    {
        await using var room = MachineRoom.Open();
        await using var small = SmallFileSystem.Mount(room.DatastorePath, Bytes.FromMib(24));
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        var (migration, settings) = (MachineRoom.Ids.NewUuid(), new MigrationSettings { BandwidthLimit = 500_000, MaxPause = TimeSpan.FromSeconds(1.5), AutoConverge = false });
        var uri = await Move.PrepareAsync(source, target, machine, migration, settings);
        var arriving = MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration));
        var sending = MachineRoom.ExecuteAsync(source, new SendMachine(migration, machine.Id, target.Id, uri, settings));
        await MachineRoom.UntilAsync(target, machine.Id, m => m.Migration?.Phase == MigrationPhase.Transfer);
        small.FillBytes();

        Assert.IsType<SendFinished>(await sending);
        var arrived = Assert.IsType<IncomingFinished>(await arriving).Machine;
        using var serial = await MachineRoom.OpenSerialAsync(target, machine.Id);
        await TickingGuest.NextCountAsync(serial, Cancellation);

        small.FillBytes();
        var refused = await Assert.ThrowsAsync<FaultException>(() => Move.PrepareAsync(target, source, arrived, MachineRoom.Ids.NewUuid(), settings));
        Assert.IsType<DatastoreFull>(refused.Fault);
        await TickingGuest.NextCountAsync(serial, Cancellation);
    }

    [Fact]
    public async Task AMachineWhoseFilesWereMovedArrivesWhereItIsStillRegisteredAtTheirOldPlace()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var made = await room.CreateTickingAsync(source, "tick");
        await MachineRoom.ExecuteAsync(target, new RegisterMachine(made.Config));
        await MachineRoom.ExecuteAsync(source, new UnregisterMachine(made.Id));
        Directory.Move(Path.Combine(room.DatastorePath, "tick"), Path.Combine(room.DatastorePath, "moved"));
        await MachineRoom.ExecuteAsync(source, new RegisterMachine(made.Config with { Path = "moved/tick.vmx" }));
        var machine = ((MachineReply)await MachineRoom.ExecuteAsync(source, new StartMachine(made.Id, 0))).Machine;

        var (_, arrived) = await Move.RunAsync(room, source, target, machine, new MigrationSettings());

        Assert.Equal((machine.Config, machine.LockEpoch + 1), (arrived.Machine.Config, arrived.Machine.LockEpoch));
        Assert.Equal(arrived.Machine.Id, Assert.Single((await target.ObserveAsync(Cancellation)).Machines).Id);
        using var serial = await MachineRoom.OpenSerialAsync(target, machine.Id);
        await TickingGuest.NextCountAsync(serial, Cancellation);
    }

    [Fact]
    public async Task AMachineDoesNotArriveInTheFilesOfACopyThatIsRegisteredThere()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        Directory.CreateDirectory(Path.Combine(room.DatastorePath, "copy"));
        foreach (var file in (string[])["tick.vmx", "tick.raw"])
            File.Copy(Path.Combine(room.DatastorePath, "tick", file), Path.Combine(room.DatastorePath, "copy", file));
        await MachineRoom.ExecuteAsync(target, new RegisterMachine(machine.Config with { Path = "copy/tick.vmx" }));

        var refused = await Assert.ThrowsAsync<FaultException>(() => Move.PrepareAsync(source, target, machine, MachineRoom.Ids.NewUuid(), new MigrationSettings()));

        Assert.Contains("a copy needs one of its own", Assert.IsType<InvalidMachine>(refused.Fault).Reason);
        Assert.Empty(Directory.GetFiles(Path.Combine(room.DatastorePath, "copy"), "*.lock.*"));
    }

    [Fact]
    public async Task AMachineOfWhichQemuKnowsThatItCannotMoveIsRefusedWithItsReason()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        await MachineRoom.ExecuteAsync(first, new CheckMovable(machine.Id));

        // While no agent has its control connection: a format of disks that QEMU does not migrate.
        await first.DisposeAsync();
        var run = new RunDirectory(Path.Combine(room.Path, "a", "run"), machine.Spec!.Uuid);
        var image = Path.Combine(run.Path, "blocker.vdi");
        using (var create = Process.Start("qemu-img", ["create", "-q", "-f", "vdi", image, "1M"]))
            await create.WaitForExitAsync(Cancellation);
        File.SetUnixFileMode(image, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await using (var qmp = await QmpConnection.ConnectAsync(run.Qmp, onEvent: null, MachineRoom.Patience, Cancellation))
        {
            var node = new Dictionary<string, object>
            {
                ["driver"] = "vdi", ["node-name"] = "blocker", ["read-only"] = true, ["file"] = new { driver = "file", filename = image },
            };
            await qmp.ExecuteAsync("blockdev-add", node, cancellation: Cancellation);
        }

        var second = await room.ReopenHostAsync("a");
        var refused = await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(second, new CheckMovable(machine.Id)));

        Assert.Contains("vdi", Assert.IsType<DeviceNotMovable>(refused.Fault).Reason, StringComparison.Ordinal);
        Assert.Equal(PowerState.On, Assert.Single((await second.ObserveAsync(Cancellation)).Machines).Power);
    }

    [Fact]
    public async Task AGuestWhoseSerialLineNobodyReadsWritesAgainWhenItHasMoved()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        using var idle = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await idle.ConnectAsync(new UnixDomainSocketEndPoint(room.SerialSocketOf("a")), Cancellation);
        var stuck = await CountThatStandsStillAsync(room.DiskOf("tick"));

        await Move.RunAsync(room, source, target, machine, new MigrationSettings());

        using var serial = await MachineRoom.OpenSerialAsync(target, machine.Id);
        await TickingGuest.CountsUntilAsync(serial, c => c > stuck + 1, Cancellation);
    }

    // It counts 18 times a second: two seconds without are no chance.
    private static async Task<uint> CountThatStandsStillAsync(string disk)
    {
        var (before, now) = (0u, TickingGuest.ReadCount(disk));
        while (now == 0 || now != before)
        {
            before = now;
            await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);
            now = TickingGuest.ReadCount(disk);
        }

        return now;
    }

    [Fact]
    public async Task HowFastAGuestWritesIsToldWhileItMoves()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        // What the guest writes between two looks at its memory takes longer than the pause may be: it goes on being sent.
        var settings = new MigrationSettings { BandwidthLimit = 500_000, MaxPause = TimeSpan.FromMilliseconds(50), AutoConverge = false };
        var migration = MachineRoom.Ids.NewUuid();
        var uri = await Move.PrepareAsync(source, target, machine, migration, settings);
        var watch = new Watch();
        var sending = source.ExecuteAsync(new SendMachine(migration, machine.Id, target.Id, uri, settings), watch, TestContext.Current.CancellationToken);
        var dirty = await watch.Dirty.Task.WaitAsync(MachineRoom.Patience, TestContext.Current.CancellationToken);
        // 448 KiB, 18 times a second; what is written more than once between two looks counts once.
        Assert.InRange(dirty, 50_000, 18 * 448 * 1024);
        await MachineRoom.ExecuteAsync(source, new CancelMigration(migration));
        await Assert.ThrowsAsync<FaultException>(() => sending);
    }

    private sealed class Watch : IProgress<HostProgress>
    {
        public TaskCompletionSource<double> Dirty { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Report(HostProgress value)
        {
            if (value.Migration is { DirtyBytesPerSecond: > 0 and var rate })
                Dirty.TrySetResult(rate);
        }
    }
}
