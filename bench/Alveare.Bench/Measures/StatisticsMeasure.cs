using System.Diagnostics;
using System.Security.Cryptography;
using Alveare.Bench.Bare;
using Alveare.Bench.Report;
using Alveare.Kvm;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Bench.Measures;

/// <summary>How often a host can read the full statistics of fifty machines, beside asking fifty QEMUs one after the other by hand.</summary>
/// <remarks>The machines stand before their first instruction, so that guests do not fight over the CPUs with what is measured. Such a machine's
/// QEMU is not asked for what it cannot have done; one whose guest runs is, at about 0.6 ms of its CPU time.</remarks>
internal static class StatisticsMeasure
{
    private const int Machines = 50;

    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<Line>> RunAsync()
    {
        // Short: unix sockets live below it. On /run, so that QEMU's user gets in.
        var state = Directory.CreateDirectory("/run/alveare-bench-statistics").FullName;
        try
        {
            var commands = new List<IReadOnlyList<string>>();
            var ours = await OursAsync(state, commands);
            var bare = await BareAsync(state, commands);
            return [Line.AtLeast($"statistics of {Machines} machines that stand still", ours, 50, "a second", Line.Text($"{bare:0.0} a second, by QMP"))];
        }
        finally
        {
            Directory.Delete(state, recursive: true);
        }
    }

    private static async Task<double> OursAsync(string state, List<IReadOnlyList<string>> commands)
    {
        var ids = new IdSource(RandomNumberGenerator.Fill);
        await using var host = await KvmHost.OpenAsync(
            new KvmOptions { HostId = EntityId.Host(ids.NewUuid()), HostName = "bench", StateDirectory = state, MigrationAddress = "127.0.0.1", Ids = ids },
            CancellationToken.None);
        var datastore = EntityId.Datastore(ids.NewUuid());
        var files = Directory.CreateDirectory(Path.Combine(state, "files")).FullName;
        await Ask(host, new MountDatastore(datastore, "bench", files, Mark: true));
        var machines = new List<EntityId>();
        try
        {
            for (var number = 0; number < Machines; number++)
            {
                var spec = new MachineSpec
                {
                    Uuid = ids.NewUuid(), Name = $"m{number}", Cpus = 1, Memory = Bytes.FromMib(32), Disks = [new DiskSpec($"m{number}.qcow2", Bytes.FromMib(16))],
                };
                await Ask(host, new CreateMachine(new DatastorePath(datastore, $"m{number}/m{number}.vmx"), spec));
                machines.Add(spec.Id);
                await Ask(host, new StartMachine(spec.Id, 0, Paused: true));
                var run = Path.Combine(state, "run", spec.Uuid.ToString("N"));
                var pid = (await File.ReadAllTextAsync(Path.Combine(run, "pid"))).Trim();
                var command = (await File.ReadAllTextAsync($"/proc/{pid}/cmdline")).TrimEnd('\0').Replace(run, Path.Combine(state, $"bare{number}"), StringComparison.Ordinal);
                commands.Add(command.Split('\0'));
            }

            return await RateAsync(() => Ask(host, new ReadStatistics()));
        }
        finally
        {
            foreach (var machine in machines)
                await Ask(host, new StopMachine(machine));
        }
    }

    private static async Task<double> BareAsync(string state, List<IReadOnlyList<string>> commands)
    {
        var started = new List<BareQemu>();
        try
        {
            for (var number = 0; number < commands.Count; number++)
            {
                var directory = Directory.CreateDirectory(Path.Combine(state, $"bare{number}", "s")).FullName;
                started.Add(await BareQemu.StartAsync(commands[number], Path.Combine(directory, "qmp.sock")));
            }

            return await RateAsync(async () =>
            {
                foreach (var qemu in started)
                {
                    await qemu.Qmp.ExecuteAsync("query-status");
                    await qemu.Qmp.ExecuteAsync("query-blockstats");
                }
            });
        }
        finally
        {
            foreach (var qemu in started)
                await qemu.DisposeAsync();
        }
    }

    private static async Task<double> RateAsync(Func<Task> read)
    {
        await read();
        var start = Stopwatch.GetTimestamp();
        var count = 0;
        while (Stopwatch.GetElapsedTime(start) < Watched)
        {
            await read();
            count++;
        }

        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static Task<HostReply> Ask(KvmHost host, HostCommand command) => host.ExecuteAsync(command, null, CancellationToken.None);
}
