using System.Collections.Immutable;
using System.Diagnostics;
using Alveare.Kvm.Files;

namespace Alveare.Kvm.Clones;

/// <summary>What is there of a clone that is being made.</summary>
/// <param name="Config">The configuration file, written last: when it is there, the clone is whole.</param>
/// <param name="Files">Files that did not exist before.</param>
internal sealed record UnfinishedRecord(string Config, ImmutableArray<string> Files);

/// <summary>Remembers a clone that is being made, so that an agent that was killed in the middle leaves no partial files for ever.</summary>
internal sealed class UnfinishedClone : IDisposable
{
    private readonly string path;

    private UnfinishedClone(string path) => this.path = path;

    /// <param name="flush">Remember it also over a loss of power: worth its time where the copying takes much longer.</param>
    public static UnfinishedClone Begin(string directory, UnfinishedRecord record, bool flush)
    {
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, $"{Guid.NewGuid():N}.json");
        WholeFile.Replace(path, record with { Files = [.. record.Files.Where(f => !File.Exists(f))] }, flush);
        return new UnfinishedClone(path);
    }

    /// <summary>Removes the partial files of every clone that was being made when an earlier agent ended.</summary>
    public static void TakeBackAll(string directory)
    {
        if (!Directory.Exists(directory))
            return;
        foreach (var path in Directory.EnumerateFiles(directory, "*.json"))
        {
            if (WholeFile.Read<UnfinishedRecord>(path) is { } record && !File.Exists(record.Config))
                TakeBack(record);
            File.Delete(path);
        }
    }

    public void Dispose() => File.Delete(path);

    private static void TakeBack(UnfinishedRecord record)
    {
        foreach (var file in record.Files)
        {
            EndCopying(file);
            if (File.Exists(file))
                File.Delete(file);
        }

        var directory = Path.GetDirectoryName(record.Config)!;
        if (Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any())
            Directory.Delete(directory);
    }

    /// <summary>The tool that copies does not end with the agent: it would go on filling the datastore.</summary>
    private static void EndCopying(string file)
    {
        foreach (var process in Process.GetProcessesByName("qemu-img"))
        {
            using (process)
            {
                if (File.Exists($"/proc/{process.Id}/cmdline") && File.ReadAllText($"/proc/{process.Id}/cmdline").Contains(file, StringComparison.Ordinal))
                    process.Kill();
            }
        }
    }
}
