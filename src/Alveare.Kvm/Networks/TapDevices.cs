using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Alveare.Kvm.Qemu;

namespace Alveare.Kvm.Networks;

/// <summary>Makes tap devices: the host's end of a virtual network card, which QEMU opens by name.</summary>
internal static partial class TapDevices
{
    private const string Device = "/dev/net/tun";
    private const int ReadWriteCloseOnExec = 0x80002;

    // _IOW('T', n, int) of linux/if_tun.h.
    private const nuint SetInterface = 0x400454ca;
    private const nuint SetPersistent = 0x400454cb;
    private const nuint SetOwner = 0x400454cc;

    private const short Tap = 0x0002;
    private const short NoPacketHeader = 0x1000;
    private const short VirtioHeader = 0x4000;

    /// <summary>Makes a tap that outlives this process and that <paramref name="user"/> may open.</summary>
    public static unsafe void Add(string name, QemuUser user)
    {
        var file = Open(Device, ReadWriteCloseOnExec);
        if (file < 0)
            throw Failure(name);
        try
        {
            // struct ifreq: 16 bytes of name, then the flags.
            var request = stackalloc byte[40];
            new Span<byte>(request, 40).Clear();
            Encoding.ASCII.GetBytes(name, new Span<byte>(request, 15));
            *(short*)(request + 16) = Tap | NoPacketHeader | VirtioHeader;
            if (Control(file, SetInterface, (nuint)request) < 0 || Control(file, SetOwner, user.Uid) < 0 || Control(file, SetPersistent, 1) < 0)
                throw Failure(name);
        }
        finally
        {
            _ = Close(file);
        }
    }

    /// <summary>Lets QEMU's user open the tun device, as udev's standard rules do everywhere; a machine without udev has it for root alone.</summary>
    /// <remarks>The kernel lets nobody but root make a device or open one that is owned by somebody else.</remarks>
    public static void AllowUsers()
    {
        const UnixFileMode everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite
            | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if ((File.GetUnixFileMode(Device) & everybody) != everybody)
            File.SetUnixFileMode(Device, everybody);
    }

    private static IOException Failure(string name) =>
        new($"Making the tap device '{name}' failed: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int file, nuint request, nuint argument);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int file);
}
