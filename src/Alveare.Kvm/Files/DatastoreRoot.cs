using System.Runtime.InteropServices;
using System.Text;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Files;

/// <summary>The directory of one datastore on this host, and the only way to a file in it.</summary>
/// <remarks>At every use the directory must carry the datastore's marker file, so that the empty directory below a file system that
/// was unmounted is never taken for the datastore, and no part of a path below it may be a symbolic link.</remarks>
public sealed class DatastoreRoot(MountDatastore mount, string hostName)
{
    /// <summary>Holds the datastore's id in one line, so that all hosts agree which datastore it is.</summary>
    public const string Marker = ".alveare-datastore";

    private const int MaxMarkerBytes = 200;

    public EntityId Id => mount.Datastore;

    public string Name => mount.Name;

    public string Directory => mount.Path;

    /// <summary>Takes a directory as the datastore; refuses another datastore's.</summary>
    /// <param name="mayMark">Write the marker when there is none; else a missing marker means that the datastore is not there.</param>
    public void Claim(bool mayMark)
    {
        if (!Path.IsPathRooted(Directory))
            throw Inaccessible($"'{Directory}' is not an absolute path");
        if (!System.IO.Directory.Exists(Directory))
            throw Inaccessible($"the directory '{Directory}' does not exist");
        if (mayMark && ReadMarker() is null)
            WriteMarker();
        RequirePresent();
    }

    /// <summary>Why the datastore cannot be used now, or null.</summary>
    public string? FindProblem()
    {
        try
        {
            RequirePresent();
            return null;
        }
        catch (FaultException e) when (e.Fault is DatastoreNotAccessible fault)
        {
            return fault.Reason;
        }
        catch (FaultException e) when (e.Fault is DatastoreIsAnother)
        {
            return e.Message.TrimEnd('.');
        }
    }

    /// <summary>Where a file is; it need not exist. A fault for a path that leaves the datastore and when the datastore is gone.</summary>
    public string PathOf(string relative)
    {
        using var root = OpenRoot(relative);
        for (var existing = relative; existing.Length > 0; existing = ParentOf(existing))
        {
            using var handle = TryOpen(root, existing, FileCalls.PathOnly);
            if (handle is not null)
                break;
        }

        return Path.Combine(Directory, relative);
    }

    /// <summary>Opens a regular file for reading, or returns null when there is none.</summary>
    public FileStream? TryOpenRead(string relative)
    {
        using var root = OpenRoot(relative);
        // Without "non-blocking" a pipe in a file's place would hold the agent up.
        var handle = TryOpen(root, relative, FileCalls.ReadOnly | FileCalls.NonBlocking);
        if (handle is null)
            return null;
        if (FileCalls.IsRegular((int)handle.DangerousGetHandle()))
            return new FileStream(handle, FileAccess.Read);
        handle.Dispose();
        throw new FaultException(new InvalidPath(relative, "it is not a regular file"));
    }

    /// <summary>Replaces a file as a whole; its directory must exist.</summary>
    public void Replace(string relative, byte[] content)
    {
        using var root = OpenRoot(relative);
        var parent = ParentOf(relative);
        using var directory = TryOpen(root, parent.Length == 0 ? "." : parent, FileCalls.PathOnly | FileCalls.DirectoryOnly)
            ?? throw new FaultException(new FileNotFoundFault(Path.Combine(Directory, parent)));
        // The handle stands for the directory that was checked, whatever is put in the place of its name.
        WholeFile.Replace(
            $"/proc/self/fd/{directory.DangerousGetHandle()}/{Path.GetFileName(relative)}", content, $"'{Path.Combine(Directory, relative)}'", Name);
    }

    /// <summary>Gives an existing file to a user; answers where it is.</summary>
    public string Give(string relative, uint uid, uint gid)
    {
        var path = Path.Combine(Directory, relative);
        using var root = OpenRoot(relative);
        using var handle = TryOpen(root, relative, FileCalls.PathOnly) ?? throw new FaultException(new FileNotFoundFault(path));
        return FileCalls.Own((int)handle.DangerousGetHandle(), uid, gid) == 0
            ? path
            : throw new FaultException(new HostOperationFailed($"Giving '{path}' to user {uid}", LastError()));
    }

    private void RequirePresent()
    {
        var found = ReadMarker() ?? throw Inaccessible($"'{Directory}' has no file {Marker}: the storage is not mounted there");
        if (found.Trim() == Id.ToString())
            return;
        if (EntityId.TryParse(found.Trim(), out var other) && other.Kind == EntityKind.Datastore)
            throw new FaultException(new DatastoreIsAnother(Name, hostName, Directory, other));
        throw Inaccessible($"the file {Marker} in '{Directory}' says that it is {Shown(found)}, expected {Id}");
    }

    private string? ReadMarker()
    {
        try
        {
            using var file = new FileStream(Path.Combine(Directory, Marker), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var content = new byte[MaxMarkerBytes];
            return Encoding.UTF8.GetString(content, 0, file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Inaccessible($"the file {Marker} in '{Directory}' cannot be read: {e.Message}");
        }
    }

    /// <summary>Two hosts may do this at once: the link that is there first counts for both.</summary>
    private void WriteMarker()
    {
        var temporary = Path.Combine(Directory, $"{Marker}.{Guid.NewGuid():N}");
        try
        {
            WholeFile.Create(temporary, Encoding.UTF8.GetBytes($"{Id}\n"), flush: true);
            if (FileCalls.Link(temporary, Path.Combine(Directory, Marker)) != 0 && Marshal.GetLastPInvokeError() != FileCalls.Exists)
                throw Inaccessible($"its marker file cannot be written: {LastError()}");
            WholeFile.FlushDirectory(Directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Inaccessible($"its marker file cannot be written: {e.Message}");
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private SafeFileHandle OpenRoot(string relative)
    {
        if (DatastorePath.WhyIllegal(relative) is { } reason)
            throw new FaultException(new InvalidPath(relative, reason));
        RequirePresent();
        var handle = FileCalls.Open(Directory, FileCalls.PathOnly | FileCalls.DirectoryOnly | FileCalls.CloseOnExec);
        return handle >= 0 ? new SafeFileHandle(handle, ownsHandle: true) : throw Inaccessible($"'{Directory}' cannot be opened: {LastError()}");
    }

    private SafeFileHandle? TryOpen(SafeFileHandle root, string relative, int flags)
    {
        var handle = FileCalls.OpenBeneath((int)root.DangerousGetHandle(), relative, flags | FileCalls.CloseOnExec);
        if (handle >= 0)
            return new SafeFileHandle(handle, ownsHandle: true);
        return Marshal.GetLastPInvokeError() switch
        {
            FileCalls.NoEntry => null,
            FileCalls.Loop or FileCalls.CrossesOut => throw new FaultException(
                new InvalidPath(relative, "a part of it is a symbolic link, which could leave the datastore")),
            FileCalls.NotADirectory => throw new FaultException(new InvalidPath(relative, "a part of it is a file where a directory is expected")),
            _ => throw new FaultException(new HostOperationFailed($"Opening '{Path.Combine(Directory, relative)}'", LastError())),
        };
    }

    private FaultException Inaccessible(string reason) => new(new DatastoreNotAccessible(Name, hostName, reason));

    private static string ParentOf(string relative) => relative.LastIndexOf('/') is var slash and >= 0 ? relative[..slash] : "";

    private static string Shown(string marker) => EntityId.TryParse(marker.Trim(), out var id) ? id.ToString() : "something that is no datastore's id";

    private static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
}
