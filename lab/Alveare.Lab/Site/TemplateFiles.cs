using Alveare.Lab.Layout;

namespace Alveare.Lab.Site;

/// <summary>The template as an administrator brings it: a disk image and a hand-written <c>.vmx</c> in a directory of the datastore.</summary>
public static class TemplateFiles
{
    public const string Name = "alveare-guest";

    /// <summary>Path of the <c>.vmx</c> in the datastore.</summary>
    public const string Config = $"{Name}/{Name}.vmx";

    /// <summary>Capacity of the guest's disk: <c>disk_mib</c> of <c>guest/build</c>.</summary>
    private const long Capacity = 512L << 20;

    public static bool ArePlaced(LabPlan plan) => File.Exists(Path.Combine(plan.SharedDirectory, Config));

    /// <summary>Copies the image and writes the configuration, unless both are there.</summary>
    public static void Place(LabPlan plan, string image)
    {
        var directory = Path.Combine(plan.SharedDirectory, Name);
        var config = Path.Combine(plan.SharedDirectory, Config);
        if (ArePlaced(plan))
            return;
        Directory.CreateDirectory(directory);
        File.Copy(image, Path.Combine(directory, $"{Name}.qcow2"), overwrite: true);
        // Last, and in one step: a configuration that is there has its disk.
        File.WriteAllText(config + ".new", Text(plan));
        File.Move(config + ".new", config);
    }

    private static string Text(LabPlan plan) =>
        $"""
        .encoding = "UTF-8"
        displayName = "{Name}"
        uuid.bios = "{Guid.NewGuid():N}"
        numvcpus = "1"
        memSize = "{plan.GuestMemoryMib}"
        firmware = "bios"
        alveare.template = "TRUE"
        scsi0:0.present = "TRUE"
        scsi0:0.fileName = "{Name}.qcow2"
        alveare.scsi0:0.capacity = "{Capacity}"
        alveare.scsi0:0.format = "qcow2"

        """;
}
