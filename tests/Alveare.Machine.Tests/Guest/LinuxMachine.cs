using Alveare.Core.Hosts;
using Alveare.Kvm.Customization;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Guest;

/// <summary>A machine of a host whose guest is the project's own Linux.</summary>
internal static class LinuxMachine
{
    /// <summary>Creates it; it is off.</summary>
    /// <param name="spec">Everything but its disks.</param>
    /// <param name="commands">What the guest does at its first boot.</param>
    public static async Task<HostMachine> CreateAsync(MachineRoom room, IHost host, MachineSpec spec, params string[] commands)
    {
        var disk = new DiskSpec($"{spec.Name}.qcow2", Bytes.FromMib(512), DiskFormat.Qcow2);
        var created = (MachineReply)await MachineRoom.ExecuteAsync(host, new CreateMachine(room.ConfigOf(spec.Name), spec with { Disks = [disk] }));
        var directory = Path.Combine(room.DatastorePath, spec.Name);
        File.Copy(await GuestImage.GetAsync(), Path.Combine(directory, disk.File), overwrite: true);
        var text = SeedText.Write(spec, new GuestCustomization { HostName = spec.Name, Commands = [.. commands] });
        await File.WriteAllBytesAsync(Path.Combine(directory, "seed.img"), await SeedImage.MakeAsync(text, room.Path, TestContext.Current.CancellationToken));
        var seeded = created.Machine.Spec! with { CustomizationSeed = "seed.img" };
        return ((MachineReply)await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(created.Machine.Id, seeded))).Machine;
    }
}
