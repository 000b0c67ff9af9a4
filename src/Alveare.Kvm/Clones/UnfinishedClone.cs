using System.Collections.Immutable;
using Alveare.Kvm.Files;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Clones;

/// <summary>What is there of a clone that is being made.</summary>
/// <param name="Config">The configuration file, written last: when it is there, the clone is whole.</param>
/// <param name="Files">Names of files beside it that did not exist before.</param>
internal sealed record UnfinishedRecord(DatastorePath Config, ImmutableArray<string> Files);

/// <summary>Remembers a clone that is being made, so that an agent that was killed in the middle leaves no partial files for ever.</summary>
internal sealed class UnfinishedClone : IDisposable
{
    /// <summary>What the names of records end in.</summary>
    public const string Extension = ".json";

    private readonly string path;

    private UnfinishedClone(string path) => this.path = path;

    /// <param name="flush">Remember it also over a loss of power: worth its time where the copying takes much longer.</param>
    public static UnfinishedClone Begin(string directory, UnfinishedRecord record, bool flush)
    {
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, $"{Guid.NewGuid():N}{Extension}");
        WholeFile.Replace(path, record, flush);
        return new UnfinishedClone(path);
    }

    public void Dispose() => File.Delete(path);
}
