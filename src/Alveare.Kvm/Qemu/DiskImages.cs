using System.Diagnostics;
using System.Globalization;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Qemu;

/// <summary>Makes disk files with QEMU's own tool.</summary>
public static class DiskImages
{
    /// <summary>Creates an empty disk. Nothing is overwritten; a half-made file is removed.</summary>
    public static async Task CreateAsync(string path, DiskSpec disk, CancellationToken cancellation)
    {
        if (File.Exists(path))
            throw new FaultException(new FileExists(path));
        string[] arguments =
        [
            "create", "-q", "-f", disk.Format == DiskFormat.Raw ? "raw" : "qcow2", path, disk.Capacity.Value.ToString(CultureInfo.InvariantCulture),
        ];
        using var process = Process.Start(new ProcessStartInfo("qemu-img", arguments) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode == 0)
            return;
        File.Delete(path);
        throw new FaultException(new HostOperationFailed($"Creating the disk '{path}'", error.Trim()));
    }
}
