using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Alveare.Machine.Tests.Guest;

/// <summary>A bare QEMU with the guest's disk and a seed, the way any hypervisor would run it: nothing of Alveare is between.</summary>
internal sealed class BootedGuest : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(5);

    private readonly string directory;
    private readonly Process process;

    // What has come of the next answer.
    private readonly List<byte> line = [];
    private Socket? agent;

    private BootedGuest(string directory, Process process) => (this.directory, this.process) = (directory, process);

    /// <param name="network">The value of QEMU's option <c>-netdev</c> but for its id.</param>
    public static BootedGuest Start(string directory, string disk, string seed, string network, int mib = 96)
    {
        string[] arguments =
        [
            "-nodefaults", "-no-user-config", "-machine", "pc-q35-7.2", "-accel", "tcg,thread=multi,tb-size=32", "-m", $"{mib}",
            "-display", "none", "-serial", $"file:{Path.Combine(directory, "serial.log")}",
            "-qmp", $"unix:{Path.Combine(directory, "qmp")},server=on,wait=off",
            "-device", "virtio-serial-pci", "-chardev", $"socket,id=agent,path={Path.Combine(directory, "agent")},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-drive", $"file={disk},if=none,id=disk", "-device", "virtio-blk-pci,drive=disk,bootindex=1",
            "-drive", $"file={seed},format=raw,readonly=on,if=none,id=seed", "-device", "virtio-blk-pci,drive=seed",
            "-netdev", $"{network},id=net", "-device", $"virtio-net-pci,netdev=net,mac={Seed.Mac},romfile=",
        ];
        return new BootedGuest(directory, Process.Start("qemu-system-x86_64", arguments));
    }

    /// <summary>Waits until the guest agent answers.</summary>
    public async Task AgentAnswersAsync()
    {
        var deadline = DateTime.UtcNow + Bound;
        agent = await ConnectAsync("agent", deadline);
        var asked = 0;
        // The agent drops what it was sent before it listened, so the question is asked again until an answer comes.
        do
        {
            if (DateTime.UtcNow >= deadline)
                throw new TimeoutException($"The guest agent did not answer in {Bound}.");
            await SynchronizeAsync(++asked);
        }
        while (await ReadLineAsync(TimeSpan.FromSeconds(1)) is null);

        // It may answer several of them, and late: what comes before the answer to the last one is read away.
        await SynchronizeAsync(++asked);
        while (Parse(await ReadLineAsync(Bound), "the last synchronization")["return"] is not JsonValue number || number.GetValue<int>() != asked)
        {
        }
    }

    private Task SynchronizeAsync(int id) => SendAsync($$$"""{"execute":"guest-sync-delimited","arguments":{"id":{{{id}}}}}""");

    public async Task<JsonNode> AskAgentAsync(string command) =>
        await AskAsync($$"""{"execute":"{{command}}"}""");

    /// <summary>The content of a file inside the guest.</summary>
    public async Task<string> ReadFileAsync(string path)
    {
        var handle = await AskAsync($$$"""{"execute":"guest-file-open","arguments":{"path":"{{{path}}}","mode":"r"}}""");
        var content = await AskAsync($$$"""{"execute":"guest-file-read","arguments":{"handle":{{{handle}}}}}""");
        await AskAsync($$$"""{"execute":"guest-file-close","arguments":{"handle":{{{handle}}}}}""");
        return Encoding.UTF8.GetString(Convert.FromBase64String((string)content["buf-b64"]!));
    }

    /// <summary>Runs a script in the guest and answers what it prints.</summary>
    public async Task<string> RunAsync(string script)
    {
        var arguments = new JsonObject { ["path"] = "/bin/sh", ["arg"] = new JsonArray("-c", script), ["capture-output"] = true };
        var pid = (await AskAsync(new JsonObject { ["execute"] = "guest-exec", ["arguments"] = arguments }.ToJsonString()))["pid"]!;
        while (true)
        {
            var status = await AskAsync($$$"""{"execute":"guest-exec-status","arguments":{"pid":{{{pid}}}}}""");
            if ((bool)status["exited"]!)
                return Encoding.UTF8.GetString(Convert.FromBase64String((string?)status["out-data"] ?? (string?)status["err-data"] ?? ""));
            await Task.Delay(200);
        }
    }

    /// <summary>The port of this machine that leads to one of the guest, chosen by QEMU.</summary>
    public async Task<int> ForwardedPortAsync()
    {
        using var monitor = await ConnectAsync("qmp", DateTime.UtcNow + Bound);
        await monitor.SendAsync("""{"execute":"qmp_capabilities"} {"execute":"human-monitor-command","arguments":{"command-line":"info usernet"}}"""u8.ToArray());
        using var answers = new StreamReader(new NetworkStream(monitor));
        while (true)
        {
            // Of the answers this one alone is text: a table whose fourth column is the port.
            var answer = JsonNode.Parse(await answers.ReadLineAsync().WaitAsync(Bound) ?? throw new InvalidOperationException("QEMU does not say which port it forwards."))!;
            if (answer["return"] is JsonValue table)
                return int.Parse(table.GetValue<string>().Split('\n').Single(l => l.Contains("HOST_FORWARD")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[3]);
        }
    }

    /// <summary>Presses the power button and waits for QEMU's end.</summary>
    public async Task PressPowerButtonAsync()
    {
        using var monitor = await ConnectAsync("qmp", DateTime.UtcNow + Bound);
        await monitor.SendAsync("""{"execute":"qmp_capabilities"} {"execute":"system_powerdown"}"""u8.ToArray());
        await EndedAsync();
    }

    public Task EndedAsync() => process.WaitForExitAsync().WaitAsync(Bound);

    public int ExitCode => process.ExitCode;

    public async ValueTask DisposeAsync()
    {
        agent?.Dispose();
        if (!process.HasExited)
            process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private async Task<Socket> ConnectAsync(string name, DateTime deadline)
    {
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(directory, name)));
                return socket;
            }
            catch (SocketException) when (DateTime.UtcNow < deadline && !process.HasExited)
            {
                socket.Dispose();
                await Task.Delay(20);
            }
        }
    }

    private async Task<JsonNode> AskAsync(string question)
    {
        await SendAsync(question);
        var answer = Parse(await ReadLineAsync(Bound), question);
        if (answer["error"] is { } error)
            throw new InvalidOperationException($"The guest agent refused {question}: {error.ToJsonString()}");
        return answer["return"]!;
    }

    private static JsonNode Parse(string? answer, string question) =>
        JsonNode.Parse(answer ?? throw new TimeoutException($"The guest agent did not answer {question} in {Bound}."))!;

    private async Task SendAsync(string question) => await agent!.SendAsync(Encoding.UTF8.GetBytes(question + "\n"));

    // One answer, or null when none comes in time. guest-sync-delimited sends a byte 0xff first.
    private async Task<string?> ReadLineAsync(TimeSpan bound)
    {
        var one = new byte[1];
        using var limit = new CancellationTokenSource(bound);
        try
        {
            while (await agent!.ReceiveAsync(one, limit.Token) == 1 && one[0] != '\n')
            {
                if (one[0] != 0xff)
                    line.Add(one[0]);
            }
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        var text = Encoding.UTF8.GetString([.. line]);
        line.Clear();
        return text;
    }
}
