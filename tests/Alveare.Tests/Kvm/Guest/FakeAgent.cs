using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Alveare.Tests.Kvm.Guest;

/// <summary>The inside of a guest: a unix socket that answers as a test wants, well or badly.</summary>
internal sealed class FakeAgent : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("alv-").FullName;
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Func<JsonElement, IEnumerable<byte[]>> answer;

    public FakeAgent(Func<JsonElement, IEnumerable<byte[]>> answer)
    {
        this.answer = answer;
        listener.Bind(new UnixDomainSocketEndPoint(Path));
        listener.Listen();
        _ = ServeAsync();
    }

    public string Path => System.IO.Path.Combine(directory, "agent");

    /// <summary>An agent that synchronizes properly and answers each other command with the text given for it.</summary>
    public static FakeAgent Answering(Func<string, string> text) => new(request => [Proper(request) ?? Line(text(Command(request)))]);

    /// <summary>The right answer to a synchronization; null for another command.</summary>
    public static byte[]? Proper(JsonElement request) => Command(request) == "guest-sync-delimited"
        ? [0xff, .. Line($"{{\"return\":{request.GetProperty("arguments").GetProperty("id").GetInt32()}}}")]
        : null;

    public static byte[] Line(string text) => Encoding.UTF8.GetBytes(text + "\n");

    public static string Command(JsonElement request) => request.GetProperty("execute").GetString()!;

    public void Dispose()
    {
        listener.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    private async Task ServeAsync()
    {
        try
        {
            using var client = await listener.AcceptAsync();
            using var reader = new StreamReader(new NetworkStream(client), Encoding.Latin1);
            while (await reader.ReadLineAsync() is { } line)
            {
                foreach (var part in answer(JsonDocument.Parse(line.TrimStart('\xff')).RootElement))
                    await client.SendAsync(part);
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // The host hung up.
        }
    }
}
