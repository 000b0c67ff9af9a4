using System.Net.Sockets;
using System.Text;
using Alveare.Kvm.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>A serial line that several viewers share, with a socket in QEMU's place.</summary>
public sealed class SerialLineTests : IDisposable
{
    private readonly Socket _qemu;
    private readonly SerialLine _line;

    public SerialLineTests()
    {
        // In the abstract namespace: nothing is left behind.
        var end = new UnixDomainSocketEndPoint($"\0alveare-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(end);
        listener.Listen();
        var near = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        near.Connect(end);
        _qemu = listener.Accept();
        _line = new SerialLine(near);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _line.Dispose();
        _qemu.Dispose();
    }

    [Fact]
    public async Task EveryViewerSeesWhatTheGuestWritesFromWhenItCame()
    {
        await using var early = _line.Join()!;
        await _qemu.SendAsync("one "u8.ToArray());
        Assert.Equal("one ", await ReadAsync(early, 4));
        await using var late = _line.Join()!;
        await _qemu.SendAsync("two"u8.ToArray());
        Assert.Equal("two", await ReadAsync(early, 3));
        Assert.Equal("two", await ReadAsync(late, 3));
    }

    [Fact]
    public async Task WhatAnyViewerWritesReachesTheGuestInWholePieces()
    {
        await using var one = _line.Join()!;
        await using var other = _line.Join()!;
        var pieces = Enumerable.Range(0, 200).Select(n => (n % 2 == 0 ? one : other).WriteAsync(Encoding.ASCII.GetBytes(new string(n % 2 == 0 ? 'a' : 'b', 1000)), Cancellation).AsTask());
        var writing = Task.WhenAll(pieces);
        var got = new byte[200_000];
        await using var stream = new NetworkStream(_qemu);
        await stream.ReadExactlyAsync(got, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        await writing;
        Assert.All(got.Chunk(1000), piece => Assert.Single(piece.Distinct()));
    }

    [Fact]
    public async Task AViewerThatFallsBehindLosesTheOldestBytesAndIsToldAndTheGuestIsNotHeldBack()
    {
        await using var slow = _line.Join()!;
        await using var fast = _line.Join()!;
        const int Blocks = 2000;
        var lines = Enumerable.Range(0, 100).Select(n => $"{n:d8}\r\n");
        var reading = UntilAsync(fast, "the end");
        // Far more than socket buffers and the viewer's room hold: a line that is not read would block here.
        for (var n = 0; n < Blocks; n++)
            await _qemu.SendAsync(Encoding.ASCII.GetBytes(string.Concat(lines)), Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        await _qemu.SendAsync("the end"u8.ToArray(), Cancellation);
        await reading.WaitAsync(Patience.Longest, Cancellation);
        _qemu.Shutdown(SocketShutdown.Send);

        using var text = new StreamReader(slow);
        var all = await text.ReadToEndAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        Assert.Matches(@"^\r\n\[\d+ bytes are missing here: this viewer is too slow\]\r\n", all);
        Assert.EndsWith("00000098\r\n00000099\r\nthe end", all, StringComparison.Ordinal);
        Assert.InRange(all.Length, 1000, 70_000);
    }

    [Fact]
    public async Task TheLastViewerWhoLeavesClosesTheLine()
    {
        var one = _line.Join()!;
        await _line.Join()!.DisposeAsync();
        await _qemu.SendAsync("x"u8.ToArray());
        Assert.Equal("x", await ReadAsync(one, 1));
        await one.DisposeAsync();
        Assert.Equal(0, await _qemu.ReceiveAsync(new byte[1], Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation));
        Assert.Null(_line.Join());
    }

    private static async Task UntilAsync(Stream viewer, string end)
    {
        var said = "";
        var bytes = new byte[16 * 1024];
        while (!said.EndsWith(end, StringComparison.Ordinal))
        {
            var count = await viewer.ReadAsync(bytes, Cancellation);
            said = said[Math.Max(0, said.Length - end.Length)..] + Encoding.ASCII.GetString(bytes, 0, count);
        }
    }

    private static async Task<string> ReadAsync(Stream viewer, int count)
    {
        var bytes = new byte[count];
        await viewer.ReadExactlyAsync(bytes, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        return Encoding.ASCII.GetString(bytes);
    }
}
