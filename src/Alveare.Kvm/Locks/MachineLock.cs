using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
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
/// <remarks>A record is published with <c>link(2)</c>, which is atomic with its content and fails when the name exists, on local file
/// systems and NFS alike: exactly one taker wins an epoch. See docs/decisions/0002-the-lock-arbitrates-migration.md.</remarks>
/// <param name="directory">The machine's directory.</param>
/// <param name="name">The machine's file name without extension.</param>
public sealed partial class MachineLock(string directory, string name)
{
    // A taker that read the lock long ago must still find the next epoch's name taken.
    private const int RecordsKept = 8;
    private const int FileExists = 17;
    private const int NoSpace = 28;

    /// <summary>The record that holds now.</summary>
    public LockRecord Read()
    {
        while (true)
        {
            var newest = Epochs().DefaultIfEmpty(0).Max();
            if (newest == 0)
                return new LockRecord(0, null, null, null);
            try
            {
                return JsonSerializer.Deserialize<LockRecord>(File.ReadAllBytes(PathOf(newest)), ModelJson.Options)
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
        }
    }

    /// <summary>Takes the lock from the record <paramref name="seen"/>; null when somebody else was faster.</summary>
    /// <remarks>Whether it may be taken from <paramref name="seen"/>'s owner is the caller's to decide.</remarks>
    public LockRecord? TryTake(LockRecord seen, EntityId owner, string ownerName, string bootId) =>
        Publish(new LockRecord(seen.Epoch + 1, owner, ownerName, bootId));

    /// <summary>Gives up a lock that is <paramref name="held"/>; null when it was taken away before.</summary>
    public LockRecord? Release(LockRecord held) => Publish(new LockRecord(held.Epoch + 1, null, null, null));

    /// <summary>Removes every record. The caller holds the lock, and the machine's configuration is gone.</summary>
    public void Delete()
    {
        foreach (var epoch in Epochs())
            File.Delete(PathOf(epoch));
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    private LockRecord? Publish(LockRecord record)
    {
        var temporary = Path.Combine(directory, $".{name}.lock.{Guid.NewGuid():N}");
        try
        {
            WriteThrough(temporary, JsonSerializer.SerializeToUtf8Bytes(record, ModelJson.Options));
            if (Link(temporary, PathOf(record.Epoch)) != 0)
            {
                return Marshal.GetLastPInvokeError() switch
                {
                    FileExists => null,
                    NoSpace => throw new FaultException(new DatastoreFull(directory, $"locking '{name}'")),
                    var error => throw new FaultException(new HostOperationFailed($"Locking '{name}'", Marshal.GetPInvokeErrorMessage(error))),
                };
            }
        }
        catch (IOException e)
        {
            throw new FaultException(new HostOperationFailed($"Locking '{name}'", e.Message), e);
        }
        finally
        {
            File.Delete(temporary);
        }

        return IsNewest(record) ? record : null;
    }

    // A taker that slept since it read may link an epoch whose record was removed long ago: then a higher one exists, and it has lost.
    private bool IsNewest(LockRecord record)
    {
        var epochs = Epochs();
        if (epochs.Any(e => e > record.Epoch))
        {
            if (!epochs.Any(e => e == record.Epoch + 1))
                File.Delete(PathOf(record.Epoch));
            return false;
        }

        foreach (var old in epochs.Where(e => e <= record.Epoch - RecordsKept))
            File.Delete(PathOf(old));
        return true;
    }

    private List<long> Epochs()
    {
        // A directory that is gone holds no lock.
        if (!Directory.Exists(directory))
            return [];
        var prefix = $"{name}.lock.";
        return
        [
            .. Directory.EnumerateFiles(directory)
                .Select(f => Path.GetFileName(f))
                .Where(f => f.StartsWith(prefix, StringComparison.Ordinal))
                .Select(f => long.TryParse(f.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch) ? epoch : 0)
                .Where(e => e > 0),
        ];
    }

    private string PathOf(long epoch) => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{name}.lock.{epoch}"));

    private static void WriteThrough(string path, byte[] content)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }
}
