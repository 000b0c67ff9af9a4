using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Alveare.Kvm.Customization;
using Alveare.Kvm.Files;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Files of machines that are being made, each remembered until its machine's configuration, which is written last, names it. Those that an
/// earlier agent was making when it ended are removed as soon as their datastore is there: after a boot it may be mounted later than the agent starts.</summary>
/// <param name="directory">Where they are remembered.</param>
public sealed class LeftoverFiles(string directory, Ground ground)
{
    private const string Extension = ".json";

    // The files of the records, and what they say.
    private readonly ConcurrentDictionary<string, Making> waiting = new();

    // Of each datastore one removes at a time; one that hangs holds up no other.
    private readonly ConcurrentDictionary<EntityId, Lock> removing = new();

    /// <summary>Reads the records, and removes what is of no datastore; answers what could not be read or removed, a sentence each.</summary>
    public IReadOnlyList<string> Find() => Directory.Exists(directory)
        ?
        [
            .. Directory.GetFiles(directory, SeedImage.Pattern).Select(s => Attempt(s, () => File.Delete(s))).OfType<string>(),
            .. Directory.EnumerateFiles(directory, $"*{Extension}").Select(Find).OfType<string>(),
        ]
        : [];

    /// <summary>Remembers files beside a configuration that are about to be made, those that are there already left out, until the result is disposed.</summary>
    /// <param name="flush">Remember them also over a loss of power: worth its time where making them takes much longer.</param>
    public IDisposable Begin(DatastorePath config, IEnumerable<string> files, bool flush)
    {
        // What is left must not take the new files for its own later.
        TakeBack(config.Datastore);
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, $"{Guid.NewGuid():N}{Extension}");
        var isNew = !File.Exists(ground.PathOf(config));
        WholeFile.Replace(path, new Making(config, [.. files.Where(f => !File.Exists(ground.PathOf(config.Sibling(f))))], IsChange: !isNew), flush);
        return new Record(path, flush);
    }

    /// <summary>Removes what is left in a datastore; answers what could not be, a sentence each: of that the next agent tries it again. A fault
    /// where the datastore is not there.</summary>
    public IReadOnlyList<string> TakeBack(EntityId datastore)
    {
        lock (removing.GetOrAdd(datastore, _ => new Lock()))
            return [.. waiting.Where(w => w.Value.Config.Datastore == datastore).ToArray().Select(w => TakeBack(w.Key, w.Value)).OfType<string>()];
    }

    private string? Find(string path)
    {
        try
        {
            if (WholeFile.Read<Making>(path) is { } record)
                waiting[path] = record;
            return null;
        }
        catch (JsonException e)
        {
            // It is not always flushed, and the host lost power.
            return Attempt(path, () => File.Delete(path)) ?? Describe(path, $"it is not readable, and was removed: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Describe(path, e.Message);
        }
    }

    /// <summary>Answers what went wrong, or null.</summary>
    private string? TakeBack(string path, Making record)
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

    private static string Describe(string path, string reason) => $"What is left of files that were being made, by the record '{path}': {reason.TrimEnd('.')}.";

    private void Remove(Making record)
    {
        var config = ground.PathOf(record.Config);
        var spec = ground.TryReadSpec(record.Config);
        // One that cannot be read may name them; and a new machine whose configuration is there was finished, whatever it names by now.
        if (File.Exists(config) && (spec is null || !record.IsChange))
            return;
        var left = record.Files.Except(spec is null ? [] : Ground.FilesOf(record.Config, spec)).ToList();
        foreach (var file in left.Select(f => ground.PathOf(record.Config.Sibling(f))))
        {
            EndCopying(file);
            if (File.Exists(file))
                File.Delete(file);
        }

        if (spec is null)
            left.Add(record.Config.FileName);
        var parent = Path.GetDirectoryName(config)!;
        if (Directory.Exists(parent))
            RemoveUnfinished(parent, left);
    }

    /// <summary>Removes what was to become one of these files, such as a seed that holds a password, and then the directory if nothing else is in it.</summary>
    private static void RemoveUnfinished(string directory, List<string> files)
    {
        foreach (var unfinished in Directory.EnumerateFiles(directory, ".*").Where(f => WholeFile.Unfinished(Path.GetFileName(f)) is { } whole && files.Contains(whole)).ToList())
            File.Delete(unfinished);
        if (!Directory.EnumerateFileSystemEntries(directory).Any())
            Directory.Delete(directory);
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

    /// <summary>Files that are being made.</summary>
    /// <param name="Config">The configuration that is to name them.</param>
    /// <param name="Files">Their names beside it; none of them existed before.</param>
    /// <param name="IsChange">Whether the configuration was there before, and is only to name more than it did.</param>
    private sealed record Making(DatastorePath Config, ImmutableArray<string> Files, bool IsChange);

    private sealed class Record(string path, bool isFlushed) : IDisposable
    {
        public void Dispose()
        {
            File.Delete(path);
            // One that came back after a loss of power would speak of files that are wanted.
            if (isFlushed)
                WholeFile.FlushDirectory(Path.GetDirectoryName(path)!);
        }
    }
}
