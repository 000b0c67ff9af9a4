using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Locks;

/// <summary>Who may run a machine: one record of its on-disk lock.</summary>
/// <param name="Epoch">Fencing epoch: rises with every taking and releasing, never falls. 0 = never taken.</param>
/// <param name="Owner">The host that may run it, or null when it is free.</param>
/// <param name="OwnerName">The host's name, for people.</param>
/// <param name="BootId">The owner's boot: a lock of an earlier boot of the same host has no process behind it any more.</param>
public sealed record LockRecord(long Epoch, EntityId? Owner, string? OwnerName, string? BootId);

/// <summary>The on-disk lock of one machine: records <c>NAME.lock.EPOCH</c> in its directory, of which the highest epoch holds.</summary>
/// <remarks>A taking is published with <c>link(2)</c>, which is atomic with its content and fails when the name exists, on local file
/// systems and NFS alike: exactly one taker wins an epoch. A releasing is an empty file: made in one call, whole at any moment, and not
/// flushed, because its loss is like the owner's going down one moment before it. A taking may be written beforehand, as <c>.NAME.lock.EPOCH.HOST</c>. See docs/decisions/0002-the-lock-arbitrates-migration.md.</remarks>
/// <param name="directory">The machine's directory.</param>
/// <param name="name">The machine's file name without extension.</param>
/// <param name="datastore">How a fault names the datastore.</param>
public sealed class MachineLock(string directory, string name, string datastore)
{
    // A taker that read the lock long ago must still find the next epoch's name taken.
    private const int RecordsKept = 8;

    /// <summary>The record that holds now.</summary>
    public LockRecord Read()
    {
        while (true)
        {
            var newest = 0L;
            try
            {
                newest = Epochs(Files()).DefaultIfEmpty(0).Max();
                if (newest == 0)
                    return new LockRecord(0, null, null, null);
                var content = File.ReadAllBytes(PathOf(newest));
                return content.Length == 0
                    ? new LockRecord(newest, null, null, null)
                    : JsonSerializer.Deserialize<LockRecord>(content, ModelJson.Options)
                        ?? throw new FaultException(new FileCorrupt(PathOf(newest), "it holds no lock record"));
            }
            catch (JsonException e)
            {
                throw new FaultException(new FileCorrupt(PathOf(newest), e.Message), e);
            }
            catch (FileNotFoundException)
            {
                // Removed since it was listed, because newer ones came: look again.
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new FaultException(new HostOperationFailed($"In datastore '{datastore}', reading the lock of '{name}'", e.Message), e);
            }
        }
    }

    /// <summary>Writes a taking beforehand. When it is made, neither a full disk nor the wait for a flush is in its way; it is removed by whoever publishes its epoch.</summary>
    public void Prepare(LockRecord seen, EntityId owner, string ownerName, string bootId)
    {
        var record = new LockRecord(seen.Epoch + 1, owner, ownerName, bootId);
        WholeFile.Replace(PreparedOf(record), ModelJson.WriteBytes(record), $"the lock of '{name}'", datastore);
    }

    /// <summary>Takes the lock from the record <paramref name="seen"/>; null when somebody else was faster.</summary>
    /// <remarks>Whether it may be taken from <paramref name="seen"/>'s owner is the caller's to decide.</remarks>
    /// <param name="survives">Whether the taking survives a loss of power: it must where somebody is told of the epoch.</param>
    public LockRecord? TryTake(LockRecord seen, EntityId owner, string ownerName, string bootId, bool survives = true) =>
        Publish(new LockRecord(seen.Epoch + 1, owner, ownerName, bootId), record => Link(record, survives));

    /// <summary>Gives up a lock that is <paramref name="held"/>; null when it was taken away before.</summary>
    public LockRecord? Release(LockRecord held) => Publish(new LockRecord(held.Epoch + 1, null, null, null), MakeEmpty);

    /// <summary>Removes every record, and what takers that were killed have left. The caller holds the lock, and the machine's configuration is gone.</summary>
    public void Delete()
    {
        var files = Files();
        foreach (var epoch in Epochs(files))
            File.Delete(PathOf(epoch));
        DeletePrepared(files, long.MaxValue);
        foreach (var file in files.Where(f => WholeFile.Unfinished(f) is { } taking && (taking == $"{name}.lock" || PreparedEpoch(taking) > 0)))
            File.Delete(Path.Combine(directory, file));
    }

    private LockRecord? Publish(LockRecord record, Func<LockRecord, bool> tryMake)
    {
        try
        {
            return tryMake(record) && IsNewest(record) ? record : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var attempt = $"{(record.Owner is null ? "releasing" : "taking")} the lock of '{name}'";
            throw new FaultException(
                WholeFile.IsFull(e) ? new DatastoreFull(datastore, attempt) : new HostOperationFailed($"In datastore '{datastore}', {attempt}", e.Message), e);
        }
    }

    /// <summary>Makes a taking; false when the epoch is there.</summary>
    private bool Link(LockRecord record, bool survives)
    {
        var content = ModelJson.WriteBytes(record);
        if ((IsPrepared(record, content) ? Link(PreparedOf(record), record) : null) is not { } isMade)
            isMade = LinkNew(record, content, survives);
        if (isMade && survives)
            WholeFile.FlushDirectory(directory);
        return isMade;
    }

    private bool LinkNew(LockRecord record, byte[] content, bool survives)
    {
        var temporary = WholeFile.NewBeside(Path.Combine(directory, $"{name}.lock"));
        try
        {
            // The content first, and closed: on a network file system the link would show an empty file to others, which stands for a release.
            WholeFile.Create(temporary, content, flush: survives);
            return Link(temporary, record) ?? throw new IOException($"'{temporary}' is gone");
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>False when the epoch is there, null when the file is not.</summary>
    private bool? Link(string file, LockRecord record)
    {
        if (FileCalls.Link(file, PathOf(record.Epoch)) == 0)
            return true;
        var error = Marshal.GetLastPInvokeError();
        return error switch
        {
            FileCalls.Exists => false,
            FileCalls.NoEntry => null,
            _ => throw new IOException(Marshal.GetPInvokeErrorMessage(error), error),
        };
    }

    // One of an earlier boot says so, and is not what is to be published now. Most takings are not prepared, and a start waits for them.
    private bool IsPrepared(LockRecord record, byte[] content)
    {
        var prepared = PreparedOf(record);
        try
        {
            return File.Exists(prepared) && File.ReadAllBytes(prepared).AsSpan().SequenceEqual(content);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Makes a releasing; false when the epoch is there.</summary>
    private bool MakeEmpty(LockRecord record)
    {
        try
        {
            WholeFile.Create(PathOf(record.Epoch), [], flush: false);
            return true;
        }
        catch (IOException) when (File.Exists(PathOf(record.Epoch)))
        {
            return false;
        }
    }

    // A taker that slept since it read may link an epoch whose record was removed long ago: then a higher one exists, and it has lost.
    private bool IsNewest(LockRecord record)
    {
        var files = Files();
        var epochs = Epochs(files);
        if (epochs.Any(e => e > record.Epoch))
        {
            if (!epochs.Any(e => e == record.Epoch + 1))
                File.Delete(PathOf(record.Epoch));
            return false;
        }

        foreach (var old in epochs.Where(e => e <= record.Epoch - RecordsKept))
            File.Delete(PathOf(old));
        DeletePrepared(files, record.Epoch);
        return true;
    }

    private void DeletePrepared(List<string> files, long upTo)
    {
        foreach (var file in files.Where(f => PreparedEpoch(f) is > 0 and var epoch && epoch <= upTo))
            File.Delete(Path.Combine(directory, file));
    }

    // 0 for any other file, such as a temporary one.
    private long PreparedEpoch(string file)
    {
        var prefix = $".{name}.lock.";
        return file.StartsWith(prefix, StringComparison.Ordinal) && file[prefix.Length..].Split('.') is [var epoch, _] ? EpochIn(epoch) : 0;
    }

    private List<long> Epochs(List<string> files)
    {
        var prefix = $"{name}.lock.";
        return [.. files.Where(f => f.StartsWith(prefix, StringComparison.Ordinal)).Select(f => EpochIn(f.AsSpan(prefix.Length))).Where(e => e > 0)];
    }

    // A directory that is gone holds no lock.
    private List<string> Files() => Directory.Exists(directory) ? [.. Directory.EnumerateFiles(directory).Select(f => Path.GetFileName(f))] : [];

    private static long EpochIn(ReadOnlySpan<char> text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var epoch) ? epoch : 0;

    private string PreparedOf(LockRecord record) =>
        Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $".{name}.lock.{record.Epoch}.{record.Owner!.Value.Uuid:N}"));

    private string PathOf(long epoch) => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{name}.lock.{epoch}"));
}
