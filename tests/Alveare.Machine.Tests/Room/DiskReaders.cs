using System.Diagnostics;
using Alveare.Machine.Tests.Machines;

namespace Alveare.Machine.Tests.Room;

/// <summary>Programs in a machine's control group that read from a disk of the host, so that some request of the group always waits there.</summary>
/// <remarks>An emulated guest on a busy machine cannot: it takes longer to ask again than the scheduler waits for it.</remarks>
internal sealed class DiskReaders : IDisposable
{
    private readonly Process[] readers;

    public DiskReaders(string group, string file) =>
        readers = [.. Enumerable.Range(0, 4).Select(_ => Process.Start("sh", [
            "-c", "echo $$ >\"$1/cgroup.procs\" && exec dd if=\"$2\" of=/dev/null bs=4k iflag=direct status=none", "reader", group, file]))];

    /// <summary>What they have read.</summary>
    public long Bytes => readers.Sum(r => DiskControlTests.ReadBytes(r.Id));

    public void Dispose()
    {
        foreach (var reader in readers)
        {
            reader.Kill();
            reader.WaitForExit();
            reader.Dispose();
        }
    }
}
