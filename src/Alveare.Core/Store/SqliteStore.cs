using System.Threading.Channels;
using Alveare.Model.Faults;
using Microsoft.Data.Sqlite;

namespace Alveare.Core.Store;

/// <summary>The embedded store: one SQLite file in write-ahead mode, every commit synced to disk, waiting commits grouped into one.</summary>
/// <remarks>The statements are SQL that PostgreSQL speaks too. One loop writes; readers open their own connection.</remarks>
public sealed class SqliteStore : IStore
{
    private const string Schema =
        "CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, key))";

    private const string Put =
        "INSERT INTO record (kind, key, json) VALUES (@kind, @key, @json) ON CONFLICT (kind, key) DO UPDATE SET json = excluded.json";

    private const string Delete = "DELETE FROM record WHERE kind = @kind AND key = @key";
    private const string Select = "SELECT key, json FROM record WHERE kind = @kind ORDER BY key";

    private readonly string _connectionString;
    private readonly SqliteConnection _connection;

    // Prepared once: of a small commit their preparation would be a third. Used by the loop that writes alone.
    private readonly SqliteCommand _put;
    private readonly SqliteCommand _delete;
    private readonly Channel<Commit> _queue = Channel.CreateUnbounded<Commit>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Task _writer;

    /// <summary>Opens or creates the file. Throws a fault when it is not a database or cannot be opened.</summary>
    public SqliteStore(string path)
    {
        _connectionString = new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString();
        _connection = new SqliteConnection(_connectionString);
        try
        {
            _connection.Open();
            Execute("PRAGMA journal_mode = WAL");
            Execute("PRAGMA synchronous = FULL");
            Execute(Schema);
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            throw new FaultException(new HostOperationFailed($"Opening the store '{path}'", e.Message), e);
        }

        (_put, _delete) = (Prepare(Put), Prepare(Delete));
        _writer = Task.Run(WriteLoopAsync);
    }

    public IReadOnlyList<StoredRecord> Load(string kind)
    {
        using var connection = new SqliteConnection(_connectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = Select;
        command.Parameters.AddWithValue("@kind", kind);
        using var reader = command.ExecuteReader();
        var records = new List<StoredRecord>();
        while (reader.Read())
            records.Add(new StoredRecord(reader.GetString(0), reader.GetString(1)));
        return records;
    }

    public Task CommitAsync(IReadOnlyList<StoreWrite> writes)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_queue.Writer.TryWrite(new Commit(writes, done)))
            done.SetException(new FaultException(new HostOperationFailed("Writing to the store", "it is closed")));
        return done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _writer;
        await _put.DisposeAsync();
        await _delete.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async Task WriteLoopAsync()
    {
        var group = new List<Commit>();
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (group.Count < 1000 && _queue.Reader.TryRead(out var commit))
                group.Add(commit);
            WriteGroup(group);
            group.Clear();
        }
    }

    private void WriteGroup(List<Commit> group)
    {
        try
        {
            using var transaction = _connection.BeginTransaction();
            foreach (var commit in group)
            {
                foreach (var write in commit.Writes)
                    Write(transaction, write);
            }

            transaction.Commit();
        }
        catch (Exception e)
        {
            // Whatever it is, it fails these commits and not the loop: those after them would wait for ever.
            foreach (var commit in group)
                commit.Done.SetException(new FaultException(new HostOperationFailed("Writing to the store", e.Message), e));
            return;
        }

        foreach (var commit in group)
            commit.Done.SetResult();
    }

    private SqliteCommand Prepare(string sql)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }

    private void Write(SqliteTransaction transaction, StoreWrite write)
    {
        var command = write.Json is null ? _delete : _put;
        command.Transaction = transaction;
        command.Parameters.Clear();
        command.Parameters.AddWithValue("@kind", write.Kind);
        command.Parameters.AddWithValue("@key", write.Key);
        if (write.Json is not null)
            command.Parameters.AddWithValue("@json", write.Json);
        command.ExecuteNonQuery();
    }

    private void Execute(string sql)
    {
        using var command = Prepare(sql);
        command.ExecuteNonQuery();
    }

    private sealed record Commit(IReadOnlyList<StoreWrite> Writes, TaskCompletionSource Done);
}
