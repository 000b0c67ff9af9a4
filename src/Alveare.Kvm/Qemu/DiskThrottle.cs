using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Alveare.Kvm.Qmp;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Qemu;

/// <summary>Holds the disks of a QEMU to their limits.</summary>
/// <remarks>QEMU counts a guest's requests before they reach the image, so that what a linked clone reads from the disk it stands on counts once.
/// After a rest it lets through what a tenth of a second allows at once (7.2: util/throttle.c, throttle_compute_wait). Limits are no part of a
/// migration's stream: either end sets its own. Requests that wait are let go when QEMU drains its disks, so that a power-off waits for none.</remarks>
public static class DiskThrottle
{
    public const string Command = "block_set_io_throttle";

    /// <summary>Sets the limits of a QEMU whose disks have none yet.</summary>
    /// <exception cref="QmpException">QEMU refused.</exception>
    public static async Task BeginAsync(QmpConnection qmp, ImmutableArray<DiskSpec> disks)
    {
        for (var i = 0; i < disks.Length; i++)
        {
            if (disks[i].Control is not { IopsLimit: null, BandwidthLimit: null })
                await qmp.ExecuteAsync(Command, Of(i, disks[i].Control));
        }
    }

    /// <summary>How QEMU calls what is behind a disk: the backend of a virtio disk is its inner device's, which has a path but no id.</summary>
    public static string BackendOf(int disk) => $"/machine/peripheral/{CommandLine.DiskDevice(disk)}/virtio-backend";

    /// <summary>The command's arguments for one disk; 0 is no limit.</summary>
    public static JsonObject Of(int disk, DiskControl control) => new()
    {
        ["id"] = BackendOf(disk),
        ["bps"] = control.BandwidthLimit?.Value ?? 0,
        ["bps_rd"] = 0,
        ["bps_wr"] = 0,
        ["iops"] = control.IopsLimit ?? 0,
        ["iops_rd"] = 0,
        ["iops_wr"] = 0,
    };
}
