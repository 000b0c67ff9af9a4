using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab.Programs;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Migration;

/// <summary>One live migration of the cluster's machine, stopped at a moment of the test's choice.</summary>
internal sealed class Move(TestCluster cluster, VmDto machine, string source, string target)
{
    private readonly ProcessIdentity _sourceQemu = cluster.QemuOn(source, machine)!;

    public Task<TaskDto> StartAsync(long bandwidthLimit) => cluster.Site.StartMigrationAsync(machine.Id, target, bandwidthLimit);

    /// <summary>Waits until the migration is at <paramref name="moment"/>. An agent that is frozen keeps it there.</summary>
    public async Task ReachAsync(TaskDto task, Moment moment)
    {
        await Until.TrueAsync(() => cluster.QemuOn(target, machine) is not null, () => "the target's QEMU has been started");
        if (moment == Moment.Prepare)
        {
            // Who is frozen cannot greet the QEMU it has just started, and nothing is sent before it has.
            Process(target).Signal(LinuxSignal.Stop);
            return;
        }

        await Until.TrueAsync(
            async () => (await cluster.Site.TaskAsync(task.Id, 0)).Migration is { Phase: "transfer", Transferred: > 0 }, () => "the memory is being copied");
        if (moment == Moment.Transfer)
            return;
        if (moment == Moment.Switch)
        {
            // Who is frozen cannot take the lock: all is sent, the guest stands still, and the source waits for the target.
            Process(target).Signal(LinuxSignal.Stop);
            await Until.TrueAsync(async () => (await cluster.Site.TaskAsync(task.Id, 0)).Migration is { Phase: "switch" }, () => "the source waits for the target");
            return;
        }

        // Who is frozen cannot end its QEMU: the guest runs on the target, and the source still has what it was.
        Process(source).Signal(LinuxSignal.Stop);
        var targetId = await cluster.Site.HostIdAsync(target);
        await Until.TrueAsync(() => cluster.LockOwner() == targetId, () => "the target has taken the lock");
    }

    public async Task BreakAsync(Failure failure)
    {
        switch (failure)
        {
            case Failure.SourceQemuKilled:
                await KillAsync(cluster.QemuOn(source, machine));
                break;
            case Failure.TargetQemuKilled:
                await KillAsync(cluster.QemuOn(target, machine));
                break;
            case Failure.SourceAgentKilled:
                await KillAsync(Process(source));
                break;
            case Failure.TargetAgentKilled:
                await KillAsync(Process(target));
                break;
            case Failure.CenterKilled:
                await KillAsync(cluster.Lab.Center.Process);
                break;
            case Failure.NetworkCut:
                await cluster.Lab.Network.CutUplinkAsync(source, cut: true);
                break;
        }

        // What stopped the clock goes on; what was killed is started again, as a service manager would.
        foreach (var host in new[] { source, target })
            cluster.Lab.Hosts[host].Process?.Signal(LinuxSignal.Continue);
        if ((await cluster.Lab.EnsureProgramsAsync()).Contains(cluster.Lab.Center.Name))
            await cluster.LogInAgainAsync();
    }

    public async Task<TaskDto> EndedAsync(TaskDto task)
    {
        var now = task;
        await Until.TrueAsync(
            async () => (now = await cluster.Site.TaskAsync(task.Id, 1)).HasEnded, () => $"the task has ended: it is {now.State}, {now.Step}");
        return now;
    }

    /// <summary>One QEMU where the inventory says, or none where the machine's own was killed; and nothing of it anywhere else.</summary>
    public async Task AssertOnePlaceAsync(VmDto settled, Failure failure, Moment moment)
    {
        var at = await cluster.Site.HostNameOfAsync(settled);
        string[] expected = settled.Power == "on" ? [at] : [];
        await Until.TrueAsync(
            () => cluster.HostsWithQemu(machine).SequenceEqual(expected),
            () => $"QEMUs live on [{string.Join(' ', expected)}] only: they do on [{string.Join(' ', cluster.HostsWithQemu(machine))}]");
        if (settled.Power == "off")
            Assert.True(ItsOwnQemuWasKilled(failure, moment), $"The machine is off though its own QEMU was not killed ({failure}, {moment}).");
        await Until.TrueAsync(
            () => cluster.LockOwner() == (settled.Power == "on" ? settled.Host : null),
            () => $"the lock is held by {(settled.Power == "on" ? settled.Host : "nobody")}: it is by {cluster.LockOwner() ?? "nobody"}");
        foreach (var host in cluster.Plan.Hosts)
            await AssertCleanAsync(host, runs: expected.Contains(host));
    }

    /// <summary>A task that failed says why, and one that succeeded tells the truth.</summary>
    public static void AssertTold(TaskDto ended, VmDto settled)
    {
        if (ended.State == "succeeded")
            Assert.Equal(ended.Result, settled.Host);
        else
            Assert.True(ended is { State: "failed", Fault.Message.Length: > 20 }, $"The task ended as {ended.State} with '{ended.Fault?.Message}'.");
    }

    /// <summary>Where a QEMU survived, nobody inside noticed but for a pause: the same connection goes on with every byte.</summary>
    public async Task AssertGuestWentOnAsync(VmDto settled)
    {
        if (settled.Power == "off")
            return;
        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), $"The client's connection does not go on: {cluster.Client.Broken ?? "silence"}.");
        Assert.Equal(0, cluster.Client.Wrong);
        if (settled.Host == machine.Host)
            Assert.Equal(_sourceQemu, cluster.QemuOn(source, machine));
    }

    // Before the switch the guest is the source's QEMU; from the moment the target has the lock it is the target's. In between it is on
    // its way, and either end's death can take it along.
    private static bool ItsOwnQemuWasKilled(Failure failure, Moment moment) => moment switch
    {
        Moment.Prepare or Moment.Transfer => failure == Failure.SourceQemuKilled,
        Moment.Switch => failure is Failure.SourceQemuKilled or Failure.TargetQemuKilled,
        _ => failure == Failure.TargetQemuKilled,
    };

    private async Task AssertCleanAsync(string host, bool runs)
    {
        await Until.TrueAsync(() => Directory.Exists(cluster.RunDirectory(host, machine)) == runs, () => $"{host} has {(runs ? "a" : "no")} run directory");
        var taps = (IReadOnlyList<string>)[];
        await Until.TrueAsync(
            async () => (taps = await cluster.Lab.Network.TapsAsync(host)).Count == (runs ? 1 : 0),
            () => $"{host} has {(runs ? "one tap" : "no tap")}: it has [{string.Join(' ', taps)}]");
        var id = await cluster.Site.HostIdAsync(host);
        await Until.TrueAsync(() => ControlGroups(id).Any() == runs, () => $"{host} has {(runs ? "a" : "no")} control group of the machine");
    }

    // In every hierarchy of version 1, or in the one of version 2.
    private IEnumerable<string> ControlGroups(string hostId) =>
        Directory.EnumerateDirectories("/sys/fs/cgroup").Append("/sys/fs/cgroup")
            .Select(hierarchy => Path.Combine(hierarchy, $"alveare-{hostId["host-".Length..]}", machine.Spec!.Uuid.ToString("N")))
            .Where(Directory.Exists);

    private ProcessIdentity Process(string host) => cluster.Lab.Hosts[host].Process!;

    private static async Task KillAsync(ProcessIdentity? process)
    {
        Assert.NotNull(process);
        await process.KillAsync(Until.Patience);
    }
}
