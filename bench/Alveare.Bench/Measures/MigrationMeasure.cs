using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Alveare.Bench.Bare;
using Alveare.Bench.Report;
using Alveare.Kvm.Migration;
using Alveare.Kvm.Qmp;
using Alveare.Lab.Programs;
using Alveare.Lab.Site;
using Alveare.Lab.Traffic;
using Alveare.Model.Hosts;
using Alveare.Wire.Rest;

namespace Alveare.Bench.Measures;

/// <summary>A live migration through the API beside a bare <c>migrate</c> of the same guest between two QEMUs started by hand in the same
/// network namespaces: total time, and the longest silence that a client with an open connection sees.</summary>
/// <remarks>The bare one takes no lock: its two QEMUs are told what to do by one program that sees both. It is taken with the same
/// encryption and, to show what that costs, without.</remarks>
internal static class MigrationMeasure
{
    private const int Rounds = 10;
    private const string From = "h1";
    private const string To = "h2";
    private const string Name = "mover";

    // What the transfer may add for the destination's QEMU, which the bare measure starts beforehand.
    private const double Allowance = 300;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task<IReadOnlyList<Line>> RunAsync(BenchLab lab)
    {
        TemplateFiles.Place(lab.Plan, await BenchLab.GuestImageAsync());
        var template = await lab.Site.EnsureTemplateAsync();
        var address = lab.Plan.GuestAddress(20);
        var machine = await lab.Site.EnsureMachineAsync(Name, template, address, From, linked: true);
        await lab.Site.RunAsync("vm.power-on", machine.Id);
        await lab.Site.GuestReadyAsync(Name, address);
        var command = lab.CommandOf(From, machine);
        var runDirectory = lab.RunDirectory(From, machine);

        Series total = new(), gap = new(), bareTotal = new(), bareGap = new(), plainTotal = new(), plainGap = new();
        await using (var client = await EchoConnection.OpenAsync(lab.Plan.Client, address, Patience))
            await OursAsync(lab, machine, client, total, gap);
        await lab.Site.RunAsync("vm.power-off", machine.Id);
        Console.WriteLine(Line.Text($"  {Rounds} moves through the API: {total.Median:0} ms, pause {gap.Median:0} ms; now by hand ..."));

        await using var pair = await BarePair.StartAsync(lab, command, runDirectory);
        await using (var client = await EchoConnection.OpenAsync(lab.Plan.Client, address, Patience))
        {
            await BareAsync(pair, client, isEncrypted: true, bareTotal, bareGap);
            await BareAsync(pair, client, isEncrypted: false, plainTotal, plainGap);
        }

        return
        [
            Line.Of("live migration, total", total, bareTotal, 1.15, Allowance),
            Line.Of("live migration, pause seen by a client", gap, bareGap, 1.2),
            Line.Of("live migration, total, against one without encryption", total, plainTotal, 1.15, Allowance),
            Line.Of("live migration, pause, against one without encryption", gap, plainGap, 1.2),
        ];
    }

    private static async Task OursAsync(BenchLab lab, VmDto machine, EchoConnection client, Series total, Series gap)
    {
        for (var round = 0; round <= Rounds; round++)
        {
            await FlowAsync(client);
            client.RestartGap();
            var start = Stopwatch.GetTimestamp();
            var task = await lab.Site.StartMigrationAsync(machine.Id, round % 2 == 0 ? To : From);
            while (!task.HasEnded)
                task = await lab.Site.TaskAsync(task.Id, 60);
            var took = Stopwatch.GetElapsedTime(start);
            if (task.State != "succeeded")
                throw new InvalidOperationException($"The migration ended as {task.State}: {task.Fault?.Message}");
            await FlowAsync(client);
            if (round == 0)
                continue;
            total.Add(took);
            gap.Add(client.LongestGap);
        }
    }

    private static async Task BareAsync(BarePair pair, EchoConnection client, bool isEncrypted, Series total, Series gap)
    {
        for (var round = 0; round <= Rounds; round++)
        {
            await pair.PrepareAsync(isEncrypted);
            await FlowAsync(client);
            client.RestartGap();
            var took = await pair.MoveAsync();
            await FlowAsync(client);
            if (round == 0)
                continue;
            total.Add(took);
            gap.Add(client.LongestGap);
        }
    }

    private static async Task FlowAsync(EchoConnection client)
    {
        if (!await client.EchoedAsync(450, Patience))
            throw new InvalidOperationException($"The client's connection does not go on: {client.Broken ?? "nothing came back"}.");
    }

    /// <summary>Two QEMUs by hand, one in the namespace of each host, and the taps they need.</summary>
    private sealed class BarePair(BenchLab lab, IReadOnlyList<string> command, string runDirectory, string bridgeTap) : IAsyncDisposable
    {
        private const int Port = 49900;

        private readonly string[] _namespaces = [lab.Plan.NamespaceOf(From), lab.Plan.NamespaceOf(To)];
        private readonly string[] _hosts = [From, To];
        private readonly string[] _taps = ["bare0", "bare1"];
        private int _place;
        private int _started;
        private BareQemu? _running;
        private BareQemu? _waiting;

        public static async Task<BarePair> StartAsync(BenchLab lab, IReadOnlyList<string> command, string runDirectory)
        {
            var tap = command.First(a => a.StartsWith("tap,", StringComparison.Ordinal)).Split(',').First(o => o.StartsWith("ifname=", StringComparison.Ordinal))["ifname=".Length..];
            var pair = new BarePair(lab, command, runDirectory, tap);
            for (var place = 0; place < pair._taps.Length; place++)
                await pair.MakeTapAsync(place);
            pair._running = await pair.LaunchAsync(0, []);
            return pair;
        }

        /// <summary>Starts the QEMU that waits for the memory.</summary>
        public async Task PrepareAsync(bool isEncrypted)
        {
            _waiting = await LaunchAsync(1 - _place, ["-incoming", "defer"]);
            var keys = Path.Combine(lab.Plan.State, "bare-keys");
            if (isEncrypted)
                await TransferKey.WriteAsync(keys, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)));
            await SetUpAsync(_running!.Qmp, MigrationRole.Source, isEncrypted ? keys : null);
            await SetUpAsync(_waiting.Qmp, MigrationRole.Destination, isEncrypted ? keys : null);
        }

        /// <summary>Moves the guest; from the command to the guest running on the other side.</summary>
        public async Task<TimeSpan> MoveAsync()
        {
            var uri = $"tcp:{lab.Plan.AddressOf(_hosts[1 - _place], lab.Plan.Uplink)}:{Port}";
            await _waiting!.Qmp.ExecuteAsync("migrate-incoming", new { uri });
            var start = Stopwatch.GetTimestamp();
            var running = EventAsync(_waiting.Qmp, "RESUME");
            await _running!.Qmp.ExecuteAsync("migrate", new { uri });
            await running.WaitAsync(Patience);
            var took = Stopwatch.GetElapsedTime(start);
            await _running.DisposeAsync();
            (_running, _waiting, _place) = (_waiting, null, 1 - _place);
            return took;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var qemu in new[] { _running, _waiting })
            {
                if (qemu is not null)
                    await qemu.DisposeAsync();
            }

            for (var place = 0; place < _taps.Length; place++)
                await Command.TryAsync("ip", ["-n", _namespaces[place], "link", "delete", _taps[place]]);
        }

        private static async Task SetUpAsync(QmpConnection qmp, MigrationRole role, string? keys)
        {
            await qmp.ExecuteAsync("migrate-set-capabilities", new
            {
                capabilities = new object[]
                {
                    new { capability = "events", state = true },
                    new { capability = "auto-converge", state = role == MigrationRole.Source },
                },
            });
            // A QEMU is a destination first and a source later: two objects.
            var credentials = keys is null ? "" : $"keys-{role}";
            if (keys is not null)
                await qmp.ExecuteAsync("object-add", TransferKey.Credentials(credentials, keys, role));
            await qmp.ExecuteAsync("migrate-set-parameters", new Dictionary<string, object>
            {
                ["tls-creds"] = credentials, ["max-bandwidth"] = 1L << 40, ["downtime-limit"] = 300,
            });
        }

        private static Task EventAsync(QmpConnection qmp, string name)
        {
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            qmp.EventReceived += happened =>
            {
                if (happened.Name == name)
                    seen.TrySetResult();
            };
            return seen.Task;
        }

        private async Task MakeTapAsync(int place)
        {
            // The bridge of the port group is the one device of this kind on each host.
            var bridges = JsonSerializer.Deserialize<JsonElement>(await Command.RunAsync("ip", ["-n", _namespaces[place], "-json", "link", "show", "type", "bridge"]));
            var bridge = bridges.EnumerateArray().First().GetProperty("ifname").GetString()!;
            await Command.RunAsync("ip", ["-n", _namespaces[place], "tuntap", "add", _taps[place], "mode", "tap"]);
            await Command.RunAsync("ip", ["-n", _namespaces[place], "link", "set", _taps[place], "master", bridge, "up"]);
        }

        private Task<BareQemu> LaunchAsync(int place, IReadOnlyList<string> more)
        {
            var (moved, socket, _) = new BareCommand(lab.Plan, command, runDirectory).In($"bare-{_started++}");
            // A host lets the guest go by a command of its own; here QEMU does it, at the start and when all memory has arrived.
            var itself = moved.Where(a => a != "-S").Select(a => a.Replace($"ifname={bridgeTap}", $"ifname={_taps[place]}", StringComparison.Ordinal));
            string[] inside = ["nsenter", $"--net=/run/netns/{_namespaces[place]}", .. itself, .. more];
            return BareQemu.StartAsync(inside, socket);
        }
    }
}
