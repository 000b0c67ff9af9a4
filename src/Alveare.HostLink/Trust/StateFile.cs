using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Alveare.HostLink.Trust;

/// <summary>Small files that are replaced as a whole: a reader, also one after a crash, sees the old content or the new one. What was done stays done when the power is
/// lost.</summary>
public static partial class StateFile
{
    // Of Linux on x86-64.
    private const int DirectoryOnly = 0x10000;
    private const int CloseOnExec = 0x80000;

    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Public = Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    public static void WriteSecret(string path, string content) => Write(path, content, Secret);

    public static void WritePublic(string path, string content) => Write(path, content, Public);

    /// <summary>Makes a directory that only its owner enters.</summary>
    public static void MakeDirectory(string path) => Directory.CreateDirectory(path, Secret | UnixFileMode.UserExecute);

    public static void Delete(string path)
    {
        File.Delete(path);
        FlushDirectory(path);
    }

    private static void Write(string path, string content, UnixFileMode mode)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Secret };
        using (var file = new FileStream(temporary, options))
        {
            file.Write(Encoding.UTF8.GetBytes(content));
            file.Flush(flushToDisk: true);
        }

        File.SetUnixFileMode(temporary, mode);
        File.Move(temporary, path, overwrite: true);
        FlushDirectory(path);
    }

    // A name that was changed or taken away is durable only with the directory that holds it, and .NET opens no directories.
    private static void FlushDirectory(string path)
    {
        using var directory = new SafeFileHandle(Open(Path.GetDirectoryName(Path.GetFullPath(path))!, DirectoryOnly | CloseOnExec), ownsHandle: true);
        if (directory.IsInvalid)
            throw new IOException($"The directory of '{path}' cannot be opened: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        RandomAccess.FlushToDisk(directory);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
