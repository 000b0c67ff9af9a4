using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>A migration as a center conducts it: prepare, send, await.</summary>
internal static class Move
{
    public static async Task<(SendFinished Sent, IncomingFinished Arrived)> RunAsync(
        MachineRoom room,
        IHost source,
        IHost target,
        HostMachine machine,
        MigrationSettings settings,
        Link? link = null)
    {
        var migration = MachineRoom.Ids.NewUuid();
        var uri = await PrepareAsync(source, target, machine, migration, settings);
        uri = link is null ? uri : await link.ToAsync(uri);
        var arriving = MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration));
        var sent = await MachineRoom.ExecuteAsync(source, new SendMachine(migration, machine.Id, target.Id, uri, settings));
        return (Assert.IsType<SendFinished>(sent), Assert.IsType<IncomingFinished>(await arriving));
    }

    public static async Task<string> PrepareAsync(IHost source, IHost target, HostMachine machine, Guid migration, MigrationSettings settings) =>
        ((IncomingReady)await MachineRoom.ExecuteAsync(
            target, new PrepareIncoming(migration, machine.Id, machine.Config, source.Id, machine.LockEpoch, settings, machine.CpuModel))).Uri;
}
