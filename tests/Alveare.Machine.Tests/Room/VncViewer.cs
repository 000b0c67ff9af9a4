using System.Buffers.Binary;
using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>Somebody who looks at a machine's screen: as much of VNC's protocol (RFC 6143) as it takes to be shown a piece of it.</summary>
internal sealed class VncViewer : IAsyncDisposable
{
    private const int BytesPerPixel = 4;

    private readonly Stream screen;

    private VncViewer(Stream screen) => this.screen = screen;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<VncViewer> OpenAsync(IHost host, EntityId machine)
    {
        var viewer = new VncViewer(await host.OpenAsync(new HostChannel(machine, HostChannelKind.Vnc), Cancellation));
        Assert.Equal("RFB 003.008\n"u8.ToArray(), await viewer.ReadAsync(12));
        await viewer.screen.WriteAsync("RFB 003.008\n"u8.ToArray(), Cancellation);
        // One kind of security is offered: none.
        Assert.Equal([1, 1], await viewer.ReadAsync(2));
        await viewer.screen.WriteAsync(new byte[] { 1 }, Cancellation);
        Assert.Equal(new byte[4], await viewer.ReadAsync(4));
        // Others may look too.
        await viewer.screen.WriteAsync(new byte[] { 1 }, Cancellation);
        var screen = await viewer.ReadAsync(24);
        Assert.Equal(BytesPerPixel * 8, screen[4]);
        await viewer.ReadAsync((int)BinaryPrimitives.ReadUInt32BigEndian(screen.AsSpan(20)));
        return viewer;
    }

    /// <summary>Asks for the screen's upper left corner and waits until it is shown.</summary>
    public async Task LookAsync()
    {
        await screen.WriteAsync(new byte[] { 3, 0, 0, 0, 0, 0, 0, 16, 0, 16 }, Cancellation);
        var update = await ReadAsync(4);
        Assert.Equal(0, update[0]);
        for (var rectangle = BinaryPrimitives.ReadUInt16BigEndian(update.AsSpan(2)); rectangle > 0; rectangle--)
        {
            var at = await ReadAsync(12);
            await ReadAsync(BinaryPrimitives.ReadUInt16BigEndian(at.AsSpan(4)) * BinaryPrimitives.ReadUInt16BigEndian(at.AsSpan(6)) * BytesPerPixel);
        }
    }

    /// <summary>Waits until the console has ended.</summary>
    public Task EndedAsync() => screen.CopyToAsync(Stream.Null, Cancellation).WaitAsync(MachineRoom.Patience, Cancellation);

    public ValueTask DisposeAsync() => screen.DisposeAsync();

    private async Task<byte[]> ReadAsync(int count)
    {
        var content = new byte[count];
        await screen.ReadExactlyAsync(content, Cancellation).AsTask().WaitAsync(MachineRoom.Patience, Cancellation);
        return content;
    }
}
