using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

public sealed class MigrationTests
{
    public static TheoryData<string> Ways => ["plain", "multifd", "tls"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task ARunningGuestMovesAndGoesOnWhereItWas(string way)
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(source, "tick");
        using var before = await MachineRoom.OpenSerialAsync(source, machine.Id);
        var count = await TickingGuest.NextCountAsync(before, TestContext.Current.CancellationToken);

        var settings = new MigrationSettings
        {
            Channels = way == "multifd" ? 2 : 0,
            TlsKey = way == "tls" ? MachineRoom.Ids.NewSecret() : null,
        };
        var (sent, arrived) = await Move.RunAsync(room, source, target, machine, settings);

        Assert.Equal(PowerState.On, arrived.Machine.Power);
        Assert.Equal(machine.LockEpoch + 1, arrived.Machine.LockEpoch);
        Assert.True(sent.Transferred.Value > 0);
        Assert.Empty((await source.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        using var after = await MachineRoom.OpenSerialAsync(target, machine.Id);
        Assert.True(await TickingGuest.NextCountAsync(after, TestContext.Current.CancellationToken) > count);
        Assert.Single(room.LivingProcesses());
    }
}
