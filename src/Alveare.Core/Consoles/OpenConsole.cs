namespace Alveare.Core.Consoles;

/// <summary>A console that somebody has opened: bytes both ways until it ends.</summary>
public sealed class OpenConsole(Stream stream, Func<Task<ConsoleEnd>> whyEnded, Action closed) : IAsyncDisposable
{
    private bool _isClosed;

    /// <summary>Its end is the end of the console; a lost host is a fault.</summary>
    public Stream Stream => stream;

    /// <summary>What became of the machine, once <see cref="Stream"/> has ended. Takes a few seconds at most.</summary>
    public Task<ConsoleEnd> WhyEndedAsync() => whyEnded();

    public async ValueTask DisposeAsync()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        closed();
        await stream.DisposeAsync();
    }
}
