using System.Threading.Channels;

namespace Alveare.Cli.Consoles;

/// <summary>What is typed, up to the escape key or the end of the input. It outlives one line: a read of a terminal cannot be taken back.</summary>
internal sealed class TypedInput
{
    private readonly Channel<byte[]> _pieces = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(4) { SingleReader = true });
    private byte[]? _unsent;

    /// <param name="escape">The byte that leaves the console, or null.</param>
    public TypedInput(Stream input, byte? escape) => _ = PumpAsync(input, escape);

    /// <summary>The escape key was typed, or the input has ended, and all before it was sent.</summary>
    public bool HasLeft => _unsent is null && _pieces.Reader.Completion.IsCompleted;

    /// <summary>Sends what is typed over a line; true when whoever types has left, false when the line has ended.</summary>
    public async Task<bool> SendAsync(ConsoleLine line, CancellationToken cancellation)
    {
        try
        {
            while (_unsent is not null || await _pieces.Reader.WaitToReadAsync(cancellation))
            {
                if (_unsent is null && !_pieces.Reader.TryRead(out _unsent))
                    continue;
                if (!await line.HasSentAsync(_unsent, cancellation))
                    return false;
                _unsent = null;
            }

            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task PumpAsync(Stream input, byte? escape)
    {
        var piece = new byte[4096];
        try
        {
            while (await input.ReadAsync(piece) is > 0 and var count)
            {
                var end = escape is { } key ? Array.IndexOf(piece, key, 0, count) : -1;
                if (end != 0)
                    await _pieces.Writer.WriteAsync(piece[..(end < 0 ? count : end)]);
                if (end >= 0)
                    break;
            }
        }
        catch (IOException)
        {
            // The terminal is gone: nobody types any more.
        }

        _pieces.Writer.Complete();
    }
}
