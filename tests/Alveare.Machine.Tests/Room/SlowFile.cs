using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Alveare.Model;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>A file that serves so many requests a second and no more, as a disk does: guests of a busy machine want more than that.</summary>
/// <remarks>QEMU's storage daemon holds it back and shows it through FUSE; a loop device upon it is a slow disk. Not two writes at once: QEMU 7.2 receives the
/// second into the buffer of the first while that one waits.</remarks>
internal sealed class SlowFile : IDisposable
{
    private readonly string backing;
    private readonly Process daemon;

    private SlowFile(string path, string backing, Process daemon) => (Path, this.backing, this.daemon) = (path, backing, daemon);

    public string Path { get; }

    public static async Task<SlowFile> OpenAsync(Bytes size, int requestsPerSecond)
    {
        var (path, backing) = (System.IO.Path.GetTempFileName(), System.IO.Path.GetTempFileName());
        await using (var file = File.OpenWrite(backing))
            file.SetLength(size.Value);
        var opened = new SlowFile(path, backing, Start(path, backing, requestsPerSecond));
        try
        {
            await MachineRoom.UntilAsync(() => opened.daemon.HasExited || new FileInfo(path).Length == size.Value, "the slow file is there");
            Assert.SkipWhen(opened.daemon.HasExited, "This machine cannot make a slow disk: qemu-storage-daemon has no FUSE here.");
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (!daemon.HasExited)
            NetworkDevices.Run("umount", "--lazy", Path);
        daemon.Kill();
        daemon.WaitForExit();
        daemon.Dispose();
        File.Delete(Path);
        File.Delete(backing);
    }

    private static Process Start(string path, string backing, int requestsPerSecond)
    {
        try
        {
            return Process.Start("qemu-storage-daemon", [
                "--object", string.Create(CultureInfo.InvariantCulture, $"throttle-group,id=rate,x-iops-total={requestsPerSecond}"),
                "--blockdev", $"driver=file,node-name=file,filename={backing}",
                "--blockdev", "driver=throttle,node-name=slow,throttle-group=rate,file=file",
                "--export", $"type=fuse,id=slow,node-name=slow,mountpoint={path},writable=on",
            ]);
        }
        catch (Win32Exception)
        {
            File.Delete(path);
            File.Delete(backing);
            Assert.Skip("This machine has no qemu-storage-daemon.");
            throw;
        }
    }
}
