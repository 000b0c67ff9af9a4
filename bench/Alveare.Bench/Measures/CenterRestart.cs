using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Alveare.Cli.Client;
using Alveare.Lab;
using Alveare.Lab.Programs;
using Alveare.Wire.Rest;

namespace Alveare.Bench.Measures;

/// <summary>How long the center's program takes from its start to its first answer, on a store that is filled. It is a process of its own, so nothing of it has
/// run before; its hosts do not answer, which a start does not wait for.</summary>
internal sealed class CenterRestart
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(5);

    private readonly string _state;
    private readonly int _machines;
    private readonly IPEndPoint _listen = new(IPAddress.Loopback, FreePort());

    private CenterRestart(string state, int machines) => (_state, _machines) = (state, machines);

    /// <param name="state">State directory of a center, with its store.</param>
    /// <param name="machines">So many objects it must know of at least.</param>
    public static async Task<TimeSpan> MeasureAsync(string state, int machines)
    {
        var restart = new CenterRestart(state, machines);
        // The first start makes what a new site lacks: the authority, and the administrator.
        await restart.ServeAsync();
        return await restart.ServeAsync();
    }

    // Until it has answered; then it is killed.
    private async Task<TimeSpan> ServeAsync()
    {
        var start = new ProcessStartInfo(
            Built.Program("Alveare.Center"),
            ["--state", _state, "--listen", _listen.ToString(), "--log-level", "Error"]) { RedirectStandardOutput = true };
        var began = Stopwatch.GetTimestamp();
        using var center = Process.Start(start)!;
        try
        {
            while (Stopwatch.GetElapsedTime(began) < Bound)
            {
                if (center.HasExited)
                    throw new LabException($"The center ended with status {center.ExitCode} before it served.");
                if (await AskAsync() is { } health)
                    return health.Objects >= _machines ? Stopwatch.GetElapsedTime(began) : throw new LabException($"The center knows {health.Objects} objects, expected {_machines} or more.");
                await Task.Delay(Between);
            }

            throw new LabException(string.Create(CultureInfo.InvariantCulture, $"The center did not serve within {Bound.TotalSeconds:0} s."));
        }
        finally
        {
            center.Kill();
            await center.WaitForExitAsync();
        }
    }

    private async Task<Health?> AskAsync()
    {
        var authority = Path.Combine(_state, "ca.crt");
        if (!File.Exists(authority))
            return null;
        try
        {
            using var client = new RestClient(new Uri($"https://{_listen}"), authority);
            return RestClient.As<Health>(await client.GetAsync<JsonElement>("health", CancellationToken.None));
        }
        catch (NotReachableException)
        {
            return null;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
