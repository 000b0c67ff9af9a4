using System.Net;
using System.Net.Sockets;

namespace Alveare.Tests.HostLink;

/// <summary>A wire between a center and a host that can be cut: connections stay open, nothing goes through any more.</summary>
internal sealed class CutWire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _cut = new();
    private readonly CancellationTokenSource _end = new();
    private readonly IPEndPoint _to;
    private readonly Task _accepting;

    public CutWire(IPEndPoint to)
    {
        _to = to;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => _listener.LocalEndpoint.ToString()!;

    public void Cut() => _cut.Cancel();

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task AcceptAsync()
    {
        var wires = new List<Task>();
        try
        {
            while (true)
                wires.Add(CarryAsync(await _listener.AcceptTcpClientAsync(_end.Token)));
        }
        finally
        {
            await Task.WhenAll(wires).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task CarryAsync(TcpClient near)
    {
        using var far = new TcpClient();
        using (near)
        {
            await far.ConnectAsync(_to, _end.Token);
            var both = new[] { CopyAsync(near, far), CopyAsync(far, near) };
            await Task.WhenAny(both);
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to)
    {
        var buffer = new byte[64 * 1024];
        while (await from.GetStream().ReadAsync(buffer, _end.Token) is > 0 and var count)
        {
            if (_cut.IsCancellationRequested)
                await Task.Delay(Timeout.Infinite, _end.Token);
            await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _end.Token);
        }
    }
}
