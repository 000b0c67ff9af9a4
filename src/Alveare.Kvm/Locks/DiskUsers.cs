using System.Collections.Immutable;
using System.Text.Json;
using Alveare.Kvm.Files;
using Alveare.Model;

namespace Alveare.Kvm.Locks;

/// <summary>A clone that stands on disks of another machine, or is being made from them.</summary>
/// <param name="Uuid">The clone's UUID.</param>
/// <param name="Disks">The disks it stands on.</param>
public sealed record DiskUser(Guid Uuid, string Name, ImmutableArray<StandingDisk> Disks);

/// <summary>One overlay and what it stands on.</summary>
/// <param name="File">Name of the file in the source's directory.</param>
/// <param name="Overlay">The overlay's path, relative to the source's directory.</param>
public sealed record StandingDisk(string File, string Overlay);

/// <summary>Who uses the disks in one machine's directory: a file <c>clones/UUID.json</c> for each clone, so that every host that sees the
/// datastore knows it. Whatever else is in <c>clones</c> is somebody else's.</summary>
/// <remarks>A clone is entered before it reads the source, and the source is taken (by its lock) before its users are read: of a clone and a
/// start, a destruction or a reconfiguration at the same time at least one sees the other. While a clone is being made its entry is held by
/// an advisory lock that ends with the agent; after that, an entry counts as long as the overlay is there and names the disk.</remarks>
public sealed class DiskUsers(string directory)
{
    /// <summary>The name of the directory of entries, beside the disks.</summary>
    public const string EntriesName = "clones";

    private const string Suffix = ".json";

    private string Entries { get; } = Path.Combine(directory, EntriesName);

    /// <summary>Enters a clone that is about to be made; it stays entered only if it is kept.</summary>
    /// <remarks>The caller makes each clone once at a time.</remarks>
    public DiskUse Enter(DiskUser user)
    {
        Directory.CreateDirectory(Entries);
        var temporary = Path.Combine(Entries, $".{user.Uuid:N}");
        var file = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        try
        {
            file.Write(JsonSerializer.SerializeToUtf8Bytes(user, ModelJson.Options));
            file.Flush(flushToDisk: true);
            // The advisory lock stays with the file: nobody sees the entry without it.
            File.Move(temporary, PathOf(user.Uuid), overwrite: true);
            return new DiskUse(file, PathOf(user.Uuid));
        }
        catch
        {
            file.Dispose();
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Enters a finished clone whose entry is missing or names another place, such as one whose directory was moved.</summary>
    public void Restore(DiskUser user)
    {
        var entry = PathOf(user.Uuid);
        // One that does not hold any more was made before the clone was moved.
        if (File.Exists(entry) && ReadEntry(entry) is not null)
            return;
        using var use = Enter(user);
        use.Keep();
    }

    /// <summary>Everybody who uses the disks now. Entries of clones that are gone are removed.</summary>
    public IReadOnlyList<DiskUser> Read()
    {
        if (!Directory.Exists(Entries))
            return [];
        var users = new List<DiskUser>();
        foreach (var path in Directory.EnumerateFiles(Entries, "*" + Suffix).Where(p => IsClone(Path.GetFileNameWithoutExtension(p))))
        {
            if (ReadEntry(path) is { } user)
                users.Add(user);
        }

        return users;
    }

    /// <summary>Removes the directory of entries, unless something else is in it. The caller has seen that there is no entry and keeps new ones away.</summary>
    public void Delete()
    {
        if (!Directory.Exists(Entries))
            return;
        foreach (var cutOff in Directory.EnumerateFiles(Entries, ".*").Where(p => IsClone(Path.GetFileName(p)[1..])))
            File.Delete(cutOff);
        _ = FileCalls.RemoveDirectory(Entries);
    }

    private static bool IsClone(string name) => Guid.TryParseExact(name, "N", out _);

    private DiskUser? ReadEntry(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            var user = JsonSerializer.Deserialize<DiskUser>(file, ModelJson.Options);
            if (user is { Disks.IsDefault: true })
                throw new JsonException("It names no disks.");
            if (user is not null && user.Disks.Any(Stands))
                return user;
            File.Delete(path);
            return null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // Held: the clone is being made. Unreadable: better one destruction refused than one clone lost.
            return new DiskUser(Guid.Empty, ReadName(path), []);
        }
    }

    private static string ReadName(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return JsonSerializer.Deserialize<DiskUser>(file, ModelJson.Options)?.Name ?? Path.GetFileName(path);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return Path.GetFileName(path);
        }
    }

    private bool Stands(StandingDisk disk) =>
        Qcow2Header.ResolveBackingFile(Path.GetFullPath(disk.Overlay, directory)) == Path.GetFullPath(disk.File, directory);

    private string PathOf(Guid clone) => Path.Combine(Entries, clone.ToString("N") + Suffix);
}

/// <summary>One clone's entry while the clone is being made.</summary>
public sealed class DiskUse(FileStream entry, string path) : IDisposable
{
    private bool kept;

    /// <summary>The clone stands on the disks from now on.</summary>
    public void Keep() => kept = true;

    public void Dispose()
    {
        if (!kept)
            File.Delete(path);
        entry.Dispose();
    }
}
