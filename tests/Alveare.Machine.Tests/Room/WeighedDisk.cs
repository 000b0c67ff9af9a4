namespace Alveare.Machine.Tests.Room;

/// <summary>A file system on a disk of its own (a loop device) that the scheduler bfq shares, mounted on a directory.</summary>
internal sealed class WeighedDisk : IDisposable
{
    private readonly string image;
    private readonly string path;
    private readonly string device;

    public WeighedDisk(string path)
    {
        this.path = path;
        image = Path.GetTempFileName();
        NetworkDevices.Run("truncate", "-s", "64M", image);
        device = NetworkDevices.Run("losetup", "--find", "--show", "--direct-io=on", image).Trim();
        Schedule("bfq");
        NetworkDevices.Run("mkfs.ext4", "-q", device);
        NetworkDevices.Run("mount", device, path);
    }

    public void Schedule(string scheduler) => File.WriteAllText(Queue("scheduler"), scheduler);

    public void Dispose()
    {
        // Out of sight at once, and gone with the last file that is open on it.
        NetworkDevices.Run("umount", "--lazy", path);
        NetworkDevices.Run("losetup", "--detach", device);
        File.Delete(image);
    }

    private string Queue(string file) => $"/sys/block/{Path.GetFileName(device)}/queue/{file}";
}
