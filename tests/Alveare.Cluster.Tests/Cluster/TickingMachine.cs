using System.Text.Json.Nodes;
using Alveare.Lab.Layout;
using Alveare.Lab.Site;
using Alveare.Machine.Tests.Room;
using Alveare.Wire.Rest;

namespace Alveare.Cluster.Tests.Cluster;

/// <summary>Small machines whose guest counts on its disk, as an administrator brings them: files in a directory of the datastore.</summary>
internal static class TickingMachine
{
    /// <summary>Registers one and turns it on.</summary>
    public static async Task<VmDto> StartAsync(LabPlan plan, LabSite site, string name, string host, bool networked = false)
    {
        Place(plan, name, networked);
        var store = (await site.Client.ListAsync<DatastoreDto>($"datastores?name={LabSite.DatastoreName}", CancellationToken.None))[0];
        var registered = await site.RunAsync("datacenter.register-vm", site.Datacenter, new JsonObject { ["datastore"] = store.Id, ["path"] = $"{name}/{name}.vmx" });
        await site.RunAsync("vm.power-on", registered.Result!, new JsonObject { ["host"] = await site.HostIdAsync(host) });
        return await site.MachineAsync(name);
    }

    /// <summary>What its guest has counted to.</summary>
    public static uint CountOf(LabPlan plan, string name) => TickingGuest.ReadCount(DiskOf(plan, name));

    private static void Place(LabPlan plan, string name, bool networked)
    {
        var directory = Directory.CreateDirectory(Path.Combine(plan.SharedDirectory, name)).FullName;
        TickingGuest.WriteDisk(DiskOf(plan, name));
        File.WriteAllText(Path.Combine(directory, $"{name}.vmx"), Text(name) + (networked ? Card : ""));
    }

    private static string DiskOf(LabPlan plan, string name) => Path.Combine(plan.SharedDirectory, name, $"{name}.raw");

    private static string Text(string name) =>
        $"""
        .encoding = "UTF-8"
        displayName = "{name}"
        uuid.bios = "{Guid.NewGuid():N}"
        numvcpus = "1"
        memSize = "32"
        firmware = "bios"
        scsi0:0.present = "TRUE"
        scsi0:0.fileName = "{name}.raw"
        alveare.scsi0:0.capacity = "{TickingGuest.DiskSize}"
        alveare.scsi0:0.format = "raw"

        """;

    private const string Card =
        $"""
        ethernet0.present = "TRUE"
        ethernet0.networkName = "{LabSite.PortGroupName}"
        ethernet0.addressType = "static"
        ethernet0.address = "52:54:00:00:00:01"

        """;
}
