using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Alveare.Tests.Kvm.Qmp;

/// <summary>A control socket that greets, negotiates, and then answers each command as a test wants: null hangs up.</summary>
internal sealed class FakeQemu : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("alv-").FullName;
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Func<string, JsonElement, string?> answer;
    private int connections;

    /// <param name="answer">From the name of a command to the line it is answered with.</param>
    public FakeQemu(Func<string, string?> answer)
        : this((command, _) => answer(command))
    {
    }

    /// <param name="answer">From the name of a command and its arguments to the line it is answered with.</param>
    public FakeQemu(Func<string, JsonElement, string?> answer)
    {
        this.answer = answer;
        listener.Bind(new UnixDomainSocketEndPoint(Path));
        listener.Listen();
        _ = ServeAsync();
    }

    public string Path => System.IO.Path.Combine(directory, "qmp");

    /// <summary>What it says between its greeting and the answer to the negotiation.</summary>
    public string[] BeforeNegotiated { get; init; } = [];

    public int Connections => Volatile.Read(ref connections);

    public void Dispose()
    {
        listener.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptAsync();
                Interlocked.Increment(ref connections);
                await ServeAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await SendAsync("""{"QMP": {}}""");
        using var stream = new NetworkStream(client);
        var buffer = new byte[4096];
        // Commands are small, and end without a line feed.
        while (await stream.ReadAsync(buffer) is > 0 and var length)
        {
            foreach (var text in Encoding.UTF8.GetString(buffer, 0, length).Replace("}{", "}\n{", StringComparison.Ordinal).Split('\n'))
            {
                var said = JsonDocument.Parse(text).RootElement;
                var command = said.GetProperty("execute").GetString()!;
                if (command == "qmp_capabilities")
                {
                    foreach (var message in BeforeNegotiated)
                        await SendAsync(message);
                    await SendAsync("""{"return": {}, "id": 0}""");
                    continue;
                }

                if (answer(command, said.TryGetProperty("arguments", out var arguments) ? arguments : default) is not { } line)
                    return;
                await SendAsync(line);
            }
        }

        Task SendAsync(string line) => client.SendAsync(Encoding.UTF8.GetBytes(line + "\n"));
    }
}
