using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Alveare.Kvm.Customization;
using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Clones;

/// <summary>Clones that earlier agents were making when they ended. Their partial files are removed as soon as their datastore is there: after a
/// boot it may be mounted later than the agent starts.</summary>
internal sealed class LeftoverClones(string directory, Ground ground)
{
    // The files of the records, and what they say.
    private readonly ConcurrentDictionary<string, UnfinishedRecord> waiting = new();

    // Of each datastore one removes at a time; one that hangs holds up no other.
    private readonly ConcurrentDictionary<EntityId, Lock> removing = new();

    /// <summary>Reads the records, and removes what is of no datastore; answers what could not be read or removed, a sentence each.</summary>
    public IReadOnlyList<string> Find() => Directory.Exists(directory)
        ?
        [
            .. Directory.GetFiles(directory, SeedImage.Pattern).Select(s => Attempt(s, () => File.Delete(s))).OfType<string>(),
            .. Directory.EnumerateFiles(directory, $"*{UnfinishedClone.Extension}").Select(Find).OfType<string>(),
        ]
        : [];

    /// <summary>Removes what is left in a datastore; answers what could not be, a sentence each: of that the next agent tries it again. A fault
    /// where the datastore is not there.</summary>
    /// <remarks>Before a clone is begun in it: no leftover may take the new one's files for its own later.</remarks>
    public IReadOnlyList<string> TakeBack(EntityId datastore)
    {
        lock (removing.GetOrAdd(datastore, _ => new Lock()))
            return [.. waiting.Where(w => w.Value.Config.Datastore == datastore).ToArray().Select(w => TakeBack(w.Key, w.Value)).OfType<string>()];
    }

    private string? Find(string path)
    {
        try
        {
            if (WholeFile.Read<UnfinishedRecord>(path) is { } record)
                waiting[path] = record;
            return null;
        }
        catch (JsonException e)
        {
            // It is not flushed for every clone, and the host lost power.
            return Attempt(path, () => File.Delete(path)) ?? Describe(path, $"it is not readable, and was removed: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Describe(path, e.Message);
        }
    }

    /// <summary>Answers what went wrong, or null.</summary>
    private string? TakeBack(string path, UnfinishedRecord record)
    {
        var problem = Attempt(path, () =>
        {
            Remove(record);
            File.Delete(path);
        });
        waiting.TryRemove(path, out _);
        return problem;
    }

    private static string? Attempt(string path, Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (FaultException e) when (e.Fault is not (DatastoreNotAccessible or DatastoreIsAnother))
        {
            return Describe(path, e.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Describe(path, e.Message);
        }
    }

    private static string Describe(string path, string reason) => $"What is left of a clone that was being made, by the record '{path}': {reason.TrimEnd('.')}.";

    private void Remove(UnfinishedRecord record)
    {
        var config = ground.PathOf(record.Config);
        if (File.Exists(config))
            return;
        foreach (var file in record.Files.Select(f => ground.PathOf(record.Config.Sibling(f))))
        {
            EndCopying(file);
            if (File.Exists(file))
                File.Delete(file);
        }

        var parent = Path.GetDirectoryName(config)!;
        if (Directory.Exists(parent) && !Directory.EnumerateFileSystemEntries(parent).Any())
            Directory.Delete(parent);
    }

    /// <summary>The tool that copies does not end with the agent: it would go on filling the datastore.</summary>
    private static void EndCopying(string file)
    {
        foreach (var process in Process.GetProcessesByName("qemu-img"))
        {
            using (process)
            {
                if (Encoding.UTF8.GetString(QemuProcess.ReadCommandLine(process.Id)).Split('\0').Contains(file))
                    process.Kill();
            }
        }
    }
}
