using System.Runtime.InteropServices;
using Alveare.Model.Faults;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Files;

/// <summary>Small files of a datastore that are there whole, in the old or the new version, whatever ends in the middle of a write.</summary>
internal static class DurableText
{
    // ENOSPC and EDQUOT, as .NET puts them into an exception.
    private static readonly int[] FullErrors = [28, 122];

    /// <summary>Replaces the file: written beside it, flushed, renamed over it, and the rename flushed.</summary>
    /// <param name="shown">How a fault names the file.</param>
    public static void Replace(string directory, string name, byte[] content, string shown, string datastore)
    {
        var temporary = Path.Combine(directory, $".{name}.{Guid.NewGuid():N}");
        try
        {
            Create(temporary, content);
            File.Move(temporary, Path.Combine(directory, name), overwrite: true);
            FlushDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(temporary);
            throw IsFull(e)
                ? new FaultException(new DatastoreFull(datastore, $"writing {shown}"), e)
                : new FaultException(new HostOperationFailed($"Writing {shown}", e.Message), e);
        }
    }

    /// <summary>Writes a new file and flushes it.</summary>
    public static void Create(string path, byte[] content)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Makes names that were made or changed in a directory survive a loss of power.</summary>
    public static void FlushDirectory(string directory)
    {
        using var handle = new SafeFileHandle(FileCalls.Open(directory, FileCalls.DirectoryOnly | FileCalls.CloseOnExec), ownsHandle: true);
        if (handle.IsInvalid || FileCalls.Flush((int)handle.DangerousGetHandle()) != 0)
            throw new IOException($"'{directory}' cannot be flushed: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>Whether an exception of .NET's file calls stands for a full disk or quota.</summary>
    public static bool IsFull(Exception e) => e is IOException && FullErrors.Contains(e.HResult & 0xffff);
}
