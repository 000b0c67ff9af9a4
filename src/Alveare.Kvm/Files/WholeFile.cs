using System.Runtime.InteropServices;
using Alveare.Model;
using Alveare.Model.Faults;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Files;

/// <summary>Small files that are there whole, in the old or the new version, whatever ends in the middle of a write.</summary>
internal static class WholeFile
{
    // ENOSPC and EDQUOT, as .NET puts them into an exception.
    private static readonly int[] FullErrors = [28, 122];

    /// <summary>Replaces the file: written beside it, renamed over it. With <paramref name="flush"/> it also survives a loss of power;
    /// a run's record need not, because the run does not either.</summary>
    public static void Replace(string path, byte[] content, bool flush)
    {
        var temporary = NewBeside(path);
        try
        {
            Create(temporary, content, flush);
            File.Move(temporary, path, overwrite: true);
            if (flush)
                FlushDirectory(Path.GetDirectoryName(path)!);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>As the other one, with a record as JSON.</summary>
    public static void Replace<T>(string path, T content, bool flush) => Replace(path, ModelJson.WriteBytes(content), flush);

    /// <summary>Replaces and flushes a file of a datastore; failures are faults.</summary>
    /// <param name="shown">How a fault names the file.</param>
    public static void Replace(string path, byte[] content, string shown, string datastore)
    {
        try
        {
            Replace(path, content, flush: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IsFull(e)
                ? new FaultException(new DatastoreFull(datastore, $"writing {shown}"), e)
                : new FaultException(new HostOperationFailed($"Writing {shown}", e.Message), e);
        }
    }

    /// <summary>The content of a file of JSON, or null when there is no file.</summary>
    public static T? Read<T>(string path)
        where T : class
    {
        try
        {
            return ModelJson.Read<T>(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A name for what is to become a file, in its directory and hidden.</summary>
    public static string NewBeside(string path) => Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}");

    /// <summary>The name of the file that one of <see cref="NewBeside"/> was to become, or null for any other file. Whoever is killed in the middle leaves one behind.</summary>
    public static string? Unfinished(string name) =>
        name.StartsWith('.') && name.LastIndexOf('.') is > 0 and var dot && Guid.TryParseExact(name.AsSpan(dot + 1), "N", out _) ? name[1..dot] : null;

    /// <summary>Writes a file that must not be there yet.</summary>
    public static void Create(string path, byte[] content, bool flush)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        file.Write(content);
        file.Flush(flush);
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
