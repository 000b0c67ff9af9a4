using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Alveare.Api.Routing;
using Alveare.Core.Changes;
using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.Api.Resources;

/// <summary>The change feed as server-sent events: <c>entity-put</c>, <c>entity-removed</c>, <c>task</c>, <c>event</c>; <c>reload</c> when
/// what came in between is no longer known, and <c>end</c> when the session has ended.</summary>
/// <remarks>A reader that is too slow holds no queue here: it falls behind in the engine's bounded feed and is told to reload.</remarks>
internal sealed class ChangeStream(ApiCall call, IReadOnlySet<string>? wanted)
{
    /// <summary>How long nothing may be said: proxies and clients take longer silence for a dead line.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    // A reader that takes this long for what is in the pipe is cut off.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // After a batch this much is gathered for the next: what changes in a busy site costs a reader ten writes a second, and in a quiet one
    // the first change is said at once.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);

    // What all readers are told alike is written once, and goes with the item.
    private static readonly ConditionalWeakTable<FeedItem, byte[]> Blocks = [];

    // Flushed this often within a long batch, so that no reader makes the server hold all of it.
    private const int Chunk = 64 * 1024;

    private static readonly string[] Kinds = ["entity", "task", "event"];

    private readonly Feed _feed = call.Engine.Feed;
    private readonly TimeProvider _clock = call.Engine.Clock;
    private readonly ArrayBufferWriter<byte> _buffer = new(Chunk);
    private long _at;
    private long _written;
    private long _looked;

    public static ApiRoute Route => new("GET", "stream", "Stream", "All changes from now on, or from where a reader left off, as server-sent events.", RunAsync)
    {
        Id = "watch",
        MediaType = "text/event-stream",
        Query =
        [
            new("after", "string", "The position of a listing or the id of the last event that was read; the header Last-Event-ID goes before."),
            new("only", "string", "Comma-separated: entity, task, event. All by default."),
        ],
    };

    /// <summary>Where the feed stands, in the form of the stream's ids.</summary>
    public static string PositionOf(Feed feed) => Position(feed.Run, feed.Last);

    private static string Position(string run, long sequence) => $"{run}.{sequence.ToString(CultureInfo.InvariantCulture)}";

    private static async Task RunAsync(ApiCall call)
    {
        call.RequireView();
        var wanted = WantedOf(call.QueryText("only"));
        var after = call.Http.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last ? last : call.QueryText("after");
        call.Http.Response.ContentType = "text/event-stream";
        call.Http.Response.Headers.CacheControl = "no-store";
        await new ChangeStream(call, wanted).SendAsync(after);
    }

    private static HashSet<string>? WantedOf(string? only)
    {
        if (only is null)
            return null;
        var wanted = only.Split(',').ToHashSet();
        return wanted.IsSubsetOf(Kinds)
            ? wanted
            : throw new FaultException(new InvalidArgument("The query", "'only'", $"'{only}'", $"one or more of {string.Join(", ", Kinds)}"));
    }

    private async Task SendAsync(string? after)
    {
        _looked = _clock.GetTimestamp();
        // The first block says where the reader stands, so that it can resume even before anything has changed.
        if (after is null)
            await StartAtAsync(_feed.Last, "start");
        else if (SequenceOf(after) is { } sequence)
            await StartAtAsync(sequence, "resume");
        else
            await StartAtAsync(_feed.Last, "reload");

        while (true)
        {
            if (_feed.Since(_at) is not { } items)
            {
                await StartAtAsync(_feed.Last, "reload");
                continue;
            }

            foreach (var item in items)
            {
                Append(item);
                _at = item.Sequence;
                if (_buffer.WrittenCount >= Chunk)
                    await FlushAsync();
            }

            await FlushAsync();
            if (items.Count > 0)
                await Task.Delay(Pace, call.Aborted);
            if (!await GoesOnAsync())
                return;
            var rest = Heartbeat - _clock.GetElapsedTime(_looked);
            if (rest <= TimeSpan.Zero)
                continue;
            try
            {
                await _feed.WaitAsync(_at, call.Aborted).WaitAsync(rest, call.Aborted);
            }
            catch (TimeoutException)
            {
                // It is time to look again.
            }
        }
    }

    /// <summary>Looks once in a heartbeat, however much or little there is to tell: whether the reader's session has ended (then false), and whether it has heard
    /// something.</summary>
    private async Task<bool> GoesOnAsync()
    {
        if (_clock.GetElapsedTime(_looked) < Heartbeat)
            return true;
        if (!IsLoggedIn())
        {
            await SayAsync("end", ": the session has ended");
            return false;
        }

        if (_clock.GetElapsedTime(_written) >= Heartbeat)
        {
            _buffer.Write(": heartbeat\n\n"u8);
            await FlushAsync();
        }

        _looked = _clock.GetTimestamp();
        return true;
    }

    private bool IsLoggedIn()
    {
        try
        {
            call.Engine.Sessions.Authenticate(call.Token);
            return true;
        }
        catch (FaultException)
        {
            return false;
        }
    }

    // The number behind this run's name, or null: another run's numbers mean nothing here.
    private long? SequenceOf(string position)
    {
        var dot = position.LastIndexOf('.');
        return dot > 0 && position[..dot] == _feed.Run
            && long.TryParse(position.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            ? sequence
            : null;
    }

    private Task StartAtAsync(long sequence, string kind)
    {
        _at = sequence;
        return SayAsync(kind, "data: {}");
    }

    private Task SayAsync(string kind, string line)
    {
        WriteText($"id: {Position(_feed.Run, _at)}\nevent: {kind}\n{line}\n\n");
        return FlushAsync();
    }

    private void Append(FeedItem item)
    {
        if (wanted is null || wanted.Contains(KindOf(item)))
            _buffer.Write(Blocks.GetValue(item, BlockOf));
    }

    private static string KindOf(FeedItem item) => item switch
    {
        EntityPut or EntityRemoved => "entity",
        TaskChanged => "task",
        EventAdded => "event",
        _ => throw new InvalidOperationException($"{item.GetType().Name} has no kind."),
    };

    private byte[] BlockOf(FeedItem item) => item switch
    {
        EntityPut put => Block(item, "entity-put", put.Entity),
        EntityRemoved removed => Block(item, "entity-removed", new Removed(removed.Id, removed.Name)),
        TaskChanged task => Block(item, "task", task.Task),
        EventAdded added => Block(item, "event", added.Event),
        _ => throw new InvalidOperationException($"{item.GetType().Name} has no block."),
    };

    // JSON holds no line breaks, so one data line carries it.
    private byte[] Block<T>(FeedItem item, string kind, T value) =>
    [
        .. Encoding.UTF8.GetBytes($"id: {Position(_feed.Run, item.Sequence)}\nevent: {kind}\ndata: "),
        .. JsonSerializer.SerializeToUtf8Bytes(value, ModelJson.Options),
        .. "\n\n"u8,
    ];

    private void WriteText(string text) => Encoding.UTF8.GetBytes(text, _buffer);

    private async Task FlushAsync()
    {
        if (_buffer.WrittenCount == 0)
            return;
        _written = _clock.GetTimestamp();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(call.Aborted);
        patience.CancelAfter(Patience);
        try
        {
            await call.Http.Response.Body.WriteAsync(_buffer.WrittenMemory, patience.Token);
            await call.Http.Response.Body.FlushAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!call.Aborted.IsCancellationRequested)
        {
            call.Http.Abort();
            throw new OperationCanceledException("The reader is too slow.", call.Aborted);
        }

        _buffer.ResetWrittenCount();
    }

    /// <summary>An object that is gone.</summary>
    private sealed record Removed(EntityId Id, string Name);
}
