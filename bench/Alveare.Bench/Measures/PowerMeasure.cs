using System.Diagnostics;
using System.Text.Json.Nodes;
using Alveare.Bench.Bare;
using Alveare.Bench.Report;

namespace Alveare.Bench.Measures;

/// <summary>What a power-on, a power-off and a destroy cost through the API, beside QEMU started and ended by hand with the same arguments.
/// All machines stand before their first instruction, so that no guest's work hides the difference.</summary>
internal static class PowerMeasure
{
    private const int Rounds = 20;

    // Rounds that do not count. The runtime compiles for good what has been called thirty times: measured is a service as it is for months, not
    // its first minute.
    private const int WarmUps = 45;
    private const int Many = 50;
    private const int ManyRounds = 6;
    private const int AtOnce = 8;
    private const string Host = "h1";

    private static readonly JsonObject Paused = new() { ["paused"] = true };

    public static async Task<IReadOnlyList<Line>> RunAsync(BenchLab lab) => [.. await OneAsync(lab), .. await ManyAsync(lab)];

    private static async Task<IReadOnlyList<Line>> OneAsync(BenchLab lab)
    {
        Series on = new(), off = new(), destroy = new(), both = new(), bareOn = new(), bareOff = new(), bareDestroy = new();
        var template = await lab.CreateAsync("power", Host, 64, 16);
        await lab.Site.RunAsync("vm.power-on", template.Id, Paused.DeepClone().AsObject());
        var bare = new BareCommand(lab.Plan, lab.CommandOf(Host, template), lab.RunDirectory(Host, template));
        await lab.Site.RunAsync("vm.power-off", template.Id);
        for (var round = 0; round < WarmUps + Rounds; round++)
        {
            var machine = await lab.CreateAsync($"power-{round}", Host, 64, 16);
            var start = await TimeAsync(() => lab.Site.RunAsync("vm.power-on", machine.Id, Paused.DeepClone().AsObject()));
            var stop = await TimeAsync(() => lab.Site.RunAsync("vm.power-off", machine.Id));
            var remove = await TimeAsync(() => lab.Site.RunAsync("vm.destroy", machine.Id));
            var other = await lab.CreateAsync($"power-{round}", Host, 64, 16);
            await lab.Site.RunAsync("vm.power-on", other.Id, Paused.DeepClone().AsObject());
            var atOnce = await TimeAsync(() => lab.Site.RunAsync("vm.destroy", other.Id, new JsonObject { ["powerOff"] = true }));

            var (command, socket, directory) = bare.In("bare");
            BareQemu qemu = null!;
            var bareStart = await TimeAsync(async () => qemu = await BareQemu.StartAsync(command, socket));
            var bareStop = await TimeAsync(qemu.QuitAsync);
            await qemu.DisposeAsync();
            var files = CopyOf(Path.Combine(lab.Plan.SharedDirectory, template.Name));
            var bareRemove = await TimeAsync(() =>
            {
                Directory.Delete(directory, recursive: true);
                Directory.Delete(files, recursive: true);
                return Task.CompletedTask;
            });
            if (round < WarmUps)
                continue;
            on.Add(start);
            off.Add(stop);
            destroy.Add(stop + remove);
            both.Add(atOnce);
            bareOn.Add(bareStart);
            bareOff.Add(bareStop);
            bareDestroy.Add(bareStop + bareRemove);
        }

        return
        [
            Line.Of("power-on to QMP ready", on, bareOn, 1.3),
            Line.Of("power-off", off, bareOff, 2),
            Line.Of("power-off and destroy", both, bareDestroy, 2),
            Line.Of("the same as two operations", destroy, bareDestroy, 2),
        ];
    }

    private static async Task<IReadOnlyList<Line>> ManyAsync(BenchLab lab)
    {
        Series ours = new(), bare = new();
        var first = await lab.CreateAsync("many", Host, 64, 0);
        await lab.Site.RunAsync("vm.power-on", first.Id, Paused.DeepClone().AsObject());
        var command = new BareCommand(lab.Plan, lab.CommandOf(Host, first), lab.RunDirectory(Host, first));
        await lab.Site.RunAsync("vm.power-off", first.Id);
        for (var round = 0; round < ManyRounds; round++)
        {
            var machines = new List<string>();
            ours.Add(await TimeAsync(() => EachAsync(async number =>
            {
                var machine = await lab.CreateAsync($"many-{number}", Host, 64, 0);
                await lab.Site.RunAsync("vm.power-on", machine.Id, Paused.DeepClone().AsObject());
                lock (machines)
                    machines.Add(machine.Id);
            })));
            await EachAsync(async number =>
            {
                await lab.Site.RunAsync("vm.power-off", machines[number]);
                await lab.Site.RunAsync("vm.destroy", machines[number]);
            });

            var started = new List<BareQemu>();
            bare.Add(await TimeAsync(() => EachAsync(async number =>
            {
                var (moved, socket, _) = command.In($"bare-{number}");
                var qemu = await BareQemu.StartAsync(moved, socket);
                lock (started)
                    started.Add(qemu);
            })));
            await EachAsync(async number => await started[number].DisposeAsync());
        }

        return [Line.Of($"{Many} machines created and started, {AtOnce} at once", ours, bare, 1.5)];
    }

    /// <summary>Copies a directory beside itself, for QEMU by hand to have files to destroy like a machine of a host's: on disk, so that there are blocks to
    /// give back.</summary>
    private static string CopyOf(string directory)
    {
        var copy = Directory.CreateDirectory($"{directory}-bare").FullName;
        foreach (var file in Directory.GetFiles(directory))
        {
            var beside = Path.Combine(copy, Path.GetFileName(file));
            File.Copy(file, beside);
            using var handle = File.OpenHandle(beside, access: FileAccess.ReadWrite);
            RandomAccess.FlushToDisk(handle);
        }

        return copy;
    }

    private static Task EachAsync(Func<int, Task> work) => Parallel.ForEachAsync(
        Enumerable.Range(0, Many), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (number, _) => await work(number));

    private static async Task<TimeSpan> TimeAsync(Func<Task> work)
    {
        var start = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(start);
    }
}
