using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Alveare.Bench.Report;
using Alveare.Wire.Rest;

namespace Alveare.Bench.Measures;

/// <summary>What guests that do nothing but use CPU get of it by their controls: two at a time on one CPU of this machine, and one with a limit.</summary>
internal static class SharesMeasure
{
    private const string Host = "h1";

    // Long enough that the kernel's turns, of a few milliseconds, are lost in it.
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(20);

    public static async Task<IReadOnlyList<Line>> RunAsync(BenchLab lab)
    {
        var host = await lab.Site.HostAsync(Host);
        var lines = new List<Line>
        {
            await RatioAsync(lab, 2, new JsonObject { ["cpuShares"] = 2000 }, new JsonObject { ["cpuShares"] = 1000 }, "shares 2:1"),
            await RatioAsync(lab, 4, new JsonObject { ["cpuShares"] = 4000 }, new JsonObject { ["cpuShares"] = 1000 }, "shares 4:1"),
            await RatioAsync(
                lab, 1, new JsonObject { ["cpuShares"] = 10, ["cpuReservation"] = host.Facts!.CpuThreads * host.Facts.CpuClock / 2 }, new JsonObject { ["cpuShares"] = 100_000 },
                "half of the CPU promised, against 10,000 times the shares"),
        };
        var limited = await StartAsync(lab, "limited", new JsonObject { ["cpuLimit"] = host.Facts.CpuClock / 5 });
        var (before, clock) = (Report.Usage.CpuSecondsOf(limited.Pid), Stopwatch.StartNew());
        await Task.Delay(Watched);
        var used = 100 * (Report.Usage.CpuSecondsOf(limited.Pid) - before) / clock.Elapsed.TotalSeconds;
        await EndAsync(lab, limited.Vm);
        lines.Add(new Line("limit of 20 % of a CPU", Line.Text($"{used:0.0} %"), "-", "-", "20 % +- 1", Math.Abs(used - 20) <= 1));
        return lines;
    }

    private static async Task<Line> RatioAsync(BenchLab lab, double expected, JsonObject one, JsonObject other, string what)
    {
        var (first, second) = (await StartAsync(lab, "first", one), await StartAsync(lab, "second", other));
        Pin(first.Pid);
        Pin(second.Pid);
        var before = (First: Report.Usage.CpuSecondsOf(first.Pid), Second: Report.Usage.CpuSecondsOf(second.Pid));
        await Task.Delay(Watched);
        var found = (Report.Usage.CpuSecondsOf(first.Pid) - before.First) / (Report.Usage.CpuSecondsOf(second.Pid) - before.Second);
        await EndAsync(lab, first.Vm);
        await EndAsync(lab, second.Vm);
        return new Line($"{what}, on one CPU", Line.Text($"{found:0.00}"), Line.Text($"{expected:0}"), Line.Text($"{found / expected:0.00}"), "within 5 %", Math.Abs((found / expected) - 1) <= 0.05);
    }

    private static async Task<(VmDto Vm, int Pid)> StartAsync(BenchLab lab, string name, JsonObject controls)
    {
        var vm = await lab.CreateAsync(name, Host, 64, 1);
        // A boot sector that jumps to itself, as the first cluster of the empty disk.
        var sector = Path.Combine(lab.Plan.State, "spin.raw");
        var content = new byte[1 << 20];
        (content[0], content[1], content[510], content[511]) = (0xeb, 0xfe, 0x55, 0xaa);
        await File.WriteAllBytesAsync(sector, content);
        var disk = Path.Combine(lab.Plan.SharedDirectory, Path.GetDirectoryName(vm.Config.Path)!, vm.Spec!.Disks[0].File);
        await Lab.Programs.Command.RunAsync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", sector, disk]);
        await lab.Site.RunAsync("vm.set-resources", vm.Id, controls);
        await lab.Site.RunAsync("vm.power-on", vm.Id);
        var pid = int.Parse(await File.ReadAllTextAsync(Path.Combine(lab.RunDirectory(Host, vm), "pid")), CultureInfo.InvariantCulture);
        while (!(await File.ReadAllTextAsync($"/proc/{pid}/cgroup")).Contains(vm.Spec.Uuid.ToString("N"), StringComparison.Ordinal))
            await Task.Delay(10);
        return (vm, pid);
    }

    private static async Task EndAsync(BenchLab lab, VmDto vm)
    {
        await lab.Site.RunAsync("vm.power-off", vm.Id);
        await lab.Site.RunAsync("vm.destroy", vm.Id);
    }

    private static void Pin(int pid)
    {
        using var taskset = Process.Start(new ProcessStartInfo("taskset", ["--all-tasks", "--cpu-list", "--pid", "0", pid.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true })!;
        taskset.StandardOutput.ReadToEnd();
        taskset.WaitForExit();
    }
}
