using System.Collections.Immutable;
using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Clones;

/// <summary>Clones as a center orders them.</summary>
internal static class Cloning
{
    public static CloneMachine Command(MachineRoom room, HostMachine source, string name, CloneKind kind) => new(
        source.Config,
        room.ConfigOf(name),
        source.Spec! with
        {
            Uuid = Guid.NewGuid(),
            Name = name,
            IsTemplate = false,
            Disks = [.. source.Spec!.Disks.Select(d => d with { Format = DiskFormat.Qcow2 })],
        },
        kind,
        Customization: null);

    public static async Task<HostMachine> CloneAsync(MachineRoom room, IHost host, HostMachine source, string name, CloneKind kind) =>
        ((MachineReply)await MachineRoom.ExecuteAsync(host, Command(room, source, name, kind))).Machine;

    public static string DiskOf(MachineRoom room, string name) => Path.Combine(room.DatastorePath, name, $"{name}.qcow2");

    /// <summary>Starts a clone of the ticking guest and sees it tick.</summary>
    public static async Task TicksAsync(IHost host, HostMachine machine)
    {
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        var count = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        Assert.Equal(count + 1, await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken));
    }

    public static async Task<Fault> RefusedAsync(IHost host, HostCommand command) =>
        (await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, command))).Fault;

    /// <summary>Creates a machine with one raw disk that is full of <paramref name="size"/> bytes.</summary>
    public static async Task<HostMachine> CreateFullAsync(MachineRoom room, IHost host, string name, Bytes size)
    {
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(32), Disks = ImmutableArray.Create(new DiskSpec($"{name}.raw", size, DiskFormat.Raw)),
        };
        var reply = (MachineReply)await MachineRoom.ExecuteAsync(host, new CreateMachine(room.ConfigOf(name), spec));
        var content = new byte[size.Value];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(room.DiskOf(name), content);
        return reply.Machine;
    }
}
