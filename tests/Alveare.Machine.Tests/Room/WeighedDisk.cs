using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>A file system on a disk of its own (a loop device) that the scheduler bfq shares, mounted on a directory.</summary>
internal sealed class WeighedDisk : IDisposable
{
    private readonly string path;
    private readonly string device;

    /// <param name="image">What the disk is made of.</param>
    /// <param name="path">The directory.</param>
    /// <param name="strict">Whether it is given no request before it has answered the last, nor by any other rule than weights.</param>
    public WeighedDisk(string image, string path, bool strict = false)
    {
        this.path = path;
        device = NetworkDevices.Run("losetup", "--find", "--show", "--direct-io=on", image).Trim();
        try
        {
            Schedule("bfq");
            if (strict)
            {
                File.WriteAllText(Queue("iosched/strict_guarantees"), "1");
                File.WriteAllText(Queue("iosched/low_latency"), "0");
                // Nor are there flushes, which no scheduler keeps back.
                File.WriteAllText(Queue("write_cache"), "write through");
            }

            NetworkDevices.Run("mkfs.ext4", "-q", device);
            NetworkDevices.Run("mount", device, path);
        }
        catch
        {
            NetworkDevices.Run("losetup", "--detach", device);
            throw;
        }
    }

    /// <summary>Gives the disk another scheduler; skips the test where the kernel has no such.</summary>
    public void Schedule(string scheduler)
    {
        try
        {
            File.WriteAllText(Queue("scheduler"), scheduler);
        }
        catch (IOException)
        {
            Assert.Skip($"This machine's kernel has no scheduler '{scheduler}' for disks.");
        }
    }

    public void Dispose()
    {
        // Out of sight at once, and gone with the last file that is open on it.
        NetworkDevices.Run("umount", "--lazy", path);
        NetworkDevices.Run("losetup", "--detach", device);
    }

    private string Queue(string file) => $"/sys/block/{Path.GetFileName(device)}/queue/{file}";
}
