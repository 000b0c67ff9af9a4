using System.Net.Sockets;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>The consoles of one running machine, with a listening socket in QEMU's place.</summary>
public sealed class ConsolesTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory();
    private readonly Socket _qemu = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Consoles _consoles;

    public ConsolesTests()
    {
        var run = new RunDirectory(_root.FullName, Guid.NewGuid());
        Directory.CreateDirectory(run.Sockets);
        _qemu.Bind(new UnixDomainSocketEndPoint(run.Serial));
        _qemu.Listen();
        _consoles = new Consoles(run);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _qemu.Dispose();
        _root.Delete(recursive: true);
    }

    [Fact]
    public async Task OfAQemuThatEndsNoSerialLineIsOpenedThoughItsSocketStillTakesConnections()
    {
        await using var viewer = await OpenSerialAsync();
        using (await _qemu.AcceptAsync(Cancellation))
        {
        }

        Assert.Equal(0, await viewer.ReadAsync(new byte[1], Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation));
        var refused = await Assert.ThrowsAsync<FaultException>(OpenSerialAsync);
        Assert.Contains("'web'", Assert.IsType<HostOperationFailed>(refused.Fault).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AfterTheLastViewerHasLeftTheSerialLineIsOpenedAgain()
    {
        await (await OpenSerialAsync()).DisposeAsync();
        using var left = await _qemu.AcceptAsync(Cancellation);
        Assert.Equal(0, await left.ReceiveAsync(new byte[1], Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation));

        await using var again = await OpenSerialAsync();
        using var opened = await _qemu.AcceptAsync(Cancellation);
        await opened.SendAsync("x"u8.ToArray(), Cancellation);
        var byteOfIt = new byte[1];
        await again.ReadExactlyAsync(byteOfIt, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal((byte)'x', byteOfIt[0]);
    }

    private Task<Stream> OpenSerialAsync() => _consoles.OpenAsync("web", HostChannelKind.Serial, Cancellation);
}
