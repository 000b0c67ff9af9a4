using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>Hides a directory behind a file system that never answers, as a network file system does whose server is away: every call that looks into it
/// blocks in the kernel. What was open before stays open.</summary>
/// <remarks>FUSE waits for its server to introduce itself, which here nobody does. When the file system is taken away, calls that wait fail, and
/// new ones find the directory as it was.</remarks>
internal sealed class HangingFileSystem : IDisposable
{
    private const int Detach = 2;

    private readonly string path;
    private readonly FileStream server;

    private HangingFileSystem(string path, FileStream server) => (this.path, this.server) = (path, server);

    public static HangingFileSystem Over(string path)
    {
        Assert.SkipUnless(File.Exists("/dev/fuse"), "This machine has no /dev/fuse.");
        var server = new FileStream("/dev/fuse", FileMode.Open, FileAccess.ReadWrite);
        var options = string.Create(CultureInfo.InvariantCulture, $"fd={server.SafeFileHandle.DangerousGetHandle()},rootmode=40000,user_id=0,group_id=0");
        if (Mount("hanging", path, "fuse", 0, options) == 0)
            return new HangingFileSystem(path, server);
        var error = new Win32Exception();
        server.Dispose();
        throw error;
    }

    public void Dispose()
    {
        Assert.Equal(0, Unmount(path, Detach));
        server.Dispose();
    }

    [DllImport("libc", EntryPoint = "mount", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Mount(
        [MarshalAs(UnmanagedType.LPUTF8Str)] string source, [MarshalAs(UnmanagedType.LPUTF8Str)] string target, [MarshalAs(UnmanagedType.LPUTF8Str)] string type, nuint flags,
        [MarshalAs(UnmanagedType.LPUTF8Str)] string data);

    [DllImport("libc", EntryPoint = "umount2", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Unmount([MarshalAs(UnmanagedType.LPUTF8Str)] string target, int flags);
}
