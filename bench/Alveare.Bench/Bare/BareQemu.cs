using System.Diagnostics;
using System.Net.Sockets;
using Alveare.Kvm.Qmp;

namespace Alveare.Bench.Bare;

/// <summary>A QEMU started by hand with a machine's own arguments: what everything is compared with.</summary>
internal sealed class BareQemu : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;

    private BareQemu(Process process, QmpConnection qmp) => (_process, Qmp) = (process, qmp);

    public QmpConnection Qmp { get; }

    /// <summary>Starts it and returns when its control socket has answered.</summary>
    public static async Task<BareQemu> StartAsync(IReadOnlyList<string> command, string controlSocket)
    {
        var start = new ProcessStartInfo(command[0]) { UseShellExecute = false, RedirectStandardError = true };
        foreach (var argument in command.Skip(1))
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        try
        {
            return new BareQemu(process, await ConnectAsync(process, controlSocket));
        }
        catch
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>Asks it to quit and waits until the process is gone.</summary>
    public async Task QuitAsync()
    {
        await Qmp.ExecuteAsync("quit");
        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync()
    {
        await Qmp.DisposeAsync();
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private static async Task<QmpConnection> ConnectAsync(Process process, string controlSocket)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (true)
        {
            if (process.HasExited)
                throw new InvalidOperationException($"The bare QEMU ended at once: {await process.StandardError.ReadToEndAsync()}");
            try
            {
                if (File.Exists(controlSocket))
                    return await QmpConnection.ConnectAsync(controlSocket, onEvent: null, Patience, limit.Token);
            }
            catch (SocketException) when (!limit.IsCancellationRequested)
            {
                // The name is there before it listens.
            }

            await Task.Delay(1, limit.Token);
        }
    }
}
