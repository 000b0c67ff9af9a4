using System.Runtime.InteropServices;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Files;

/// <summary>Small files of a datastore that are there whole, in the old or the new version, whatever ends in the middle of a write.</summary>
internal static partial class DurableText
{
    private const int DirectoryFlag = 0x10000;
    private const int CloseOnExec = 0x80000;

    // ENOSPC and EDQUOT, as .NET puts them into an exception.
    private static readonly int[] FullErrors = [28, 122];

    /// <summary>Replaces the file: written beside it, flushed, renamed over it, and the rename flushed.</summary>
    public static void Replace(string path, byte[] content, string datastore)
    {
        var directory = Path.GetDirectoryName(path)!;
        var temporary = Path.Combine(directory, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}");
        try
        {
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            FlushDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(temporary);
            throw IsFull(e)
                ? new FaultException(new DatastoreFull(datastore, $"writing '{path}'"), e)
                : new FaultException(new HostOperationFailed($"Writing '{path}'", e.Message), e);
        }
    }

    /// <summary>Whether an exception of .NET's file calls stands for a full disk or quota.</summary>
    public static bool IsFull(Exception e) => e is IOException && FullErrors.Contains(e.HResult & 0xffff);

    private static void FlushDirectory(string directory)
    {
        var handle = Open(directory, DirectoryFlag | CloseOnExec);
        if (handle < 0)
            throw new IOException($"'{directory}' cannot be opened: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        var result = Fsync(handle);
        var error = Marshal.GetLastPInvokeError();
        _ = Close(handle);
        if (result != 0)
            throw new IOException($"'{directory}' cannot be flushed: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int handle);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int handle);
}
