using System.Collections.Concurrent;

namespace Alveare.Kvm.Migration;

/// <summary>Migrations by their ids: all that go on, and the latest that are over, for whoever asks again.</summary>
/// <param name="kept">How many in all, unless more go on.</param>
public sealed class KnownMigrations(int kept)
{
    private readonly ConcurrentDictionary<Guid, MigrationEnd> byId = new();
    private readonly ConcurrentQueue<Guid> oldestFirst = new();

    public MigrationEnd? Find(Guid id) => byId.GetValueOrDefault(id);

    /// <summary>The one that goes on with a machine, or null.</summary>
    public MigrationEnd? GoingOn(Machines.Machine machine) => byId.Values.FirstOrDefault(m => m.Machine == machine && !m.IsOver);

    public void Add(MigrationEnd migration)
    {
        byId[migration.Record.Id] = migration;
        oldestFirst.Enqueue(migration.Record.Id);
        for (var tooMany = oldestFirst.Count - kept; tooMany > 0 && oldestFirst.TryDequeue(out var oldest); tooMany--)
        {
            if (Find(oldest) is { IsOver: false })
                oldestFirst.Enqueue(oldest);
            else
                byId.TryRemove(oldest, out _);
        }
    }

    public void Remove(MigrationEnd migration) => byId.TryRemove(migration.Record.Id, out _);
}
