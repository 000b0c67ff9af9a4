using System.Globalization;

namespace Alveare.Kvm.Qemu;

/// <summary>QEMUs that live though their run directories were removed.</summary>
/// <remarks>After a crash of the host each machine that ran there is asked after: every process is looked at once, when the first is.</remarks>
internal sealed class StrayProcesses
{
    private readonly Lazy<IReadOnlyList<(int Id, byte[] CommandLine)>> processes = new(() =>
    [
        .. Directory.EnumerateDirectories("/proc")
            .Select(path => int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0)
            .Select(id => (id, QemuProcess.ReadCommandLine(id))),
    ]);

    /// <summary>The id of the QEMU of a run directory, or null when there is none that still lives.</summary>
    public int? Find(RunDirectory run) => processes.Value
        .Where(p => QemuProcess.Names(run, p.CommandLine) && QemuProcess.IsOurs(run, p.Id))
        .Select(p => (int?)p.Id)
        .FirstOrDefault();
}
