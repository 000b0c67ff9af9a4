using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

public sealed class MigrationTests
{
    private const byte TlsHandshake = 0x16;

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
        var count = await TickingGuest.NextCountAsync(before, TestContext.Current.CancellationToken);

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
        Assert.Empty((await source.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        using var after = await MachineRoom.OpenSerialAsync(target, machine.Id);
        Assert.True(await TickingGuest.NextCountAsync(after, TestContext.Current.CancellationToken) > count);
        Assert.Single(room.LivingProcesses());
    }
}
