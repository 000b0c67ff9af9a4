using System.Diagnostics;
using System.Text;
using System.Text.Json;
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
    private readonly Lock sync = new();

    // The files of the records, and what they say.
    private readonly Dictionary<string, UnfinishedRecord> waiting = [];

    /// <summary>Removes what earlier agents left behind; answers what could not be, a sentence each: of that the next agent tries it again.</summary>
    public IReadOnlyList<string> TakeBackAll()
    {
        if (!Directory.Exists(directory))
            return [];
        lock (sync)
            return [.. Directory.EnumerateFiles(directory, $"*{UnfinishedClone.Extension}").Select(Find).OfType<string>()];
    }

    /// <summary>Removes what is left in a datastore; a fault where that is not there.</summary>
    /// <remarks>Before a clone is begun in it: no leftover may take the new one's files for its own later.</remarks>
    public void TakeBack(EntityId datastore)
    {
        lock (sync)
        {
            foreach (var (path, record) in waiting.Where(w => w.Value.Config.Datastore == datastore).ToArray())
                TakeBack(path, record);
        }
    }

    private string? Find(string path)
    {
        try
        {
            if (WholeFile.Read<UnfinishedRecord>(path) is not { } record)
                return null;
            waiting[path] = record;
            return TakeBack(path, record);
        }
        catch (FaultException)
        {
            // It waits for its datastore.
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
        waiting.Remove(path);
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
