using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Machine.Tests.Guest;
using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Model.Statistics;
using Xunit;

namespace Alveare.Machine.Tests.Cgroups;

/// <summary>Real Linux guests that read a file again and again, which they keep in their memory as far as they have it.</summary>
public sealed class BallooningTests
{
    private const long MemoryMib = 400;

    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(5);
    private static readonly EntityId Pool = new(EntityKind.ResourcePool, Guid.NewGuid());

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AGuestGivesBackWhatItsLimitTakesAndHasItAgainWhenThatIsLiftedAlsoByARestartedAgentAndWhereItIsMovedTo()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var (machine, pid) = await StartAsync(room, host, "held", ResourceControls.None);
        await UntilAsync(() => Task.FromResult(Usage(pid) > 340), "the guest has filled its memory");
        await UntilAsync(() => IsTakenAsync(host, machine, LimitOf(280)), "the guest has said what it can give back");
        await UntilAsync(() => Task.FromResult(IsHeld(pid, 280)), "the process is below the limit, and held to it");
        Assert.InRange((await SampleAsync(host)).MemoryBallooned.Mib, 150, 300);

        await host.DisposeAsync();
        host = await OpenAsync(room);
        await UntilAsync(async () => (await SampleAsync(host)).MemoryBallooned.Mib is > 150 and < 300, "the next agent knows what is given back");
        Assert.InRange(Usage(pid), 150, 280);

        var target = await OpenAsync(room, "b");
        pid = await MoveAsync(room, host, target, machine);
        await UntilAsync(
            async () => IsHeld(pid, 280) && (await SampleAsync(target)).MemoryBallooned.Mib is > 150 and < 300, "the agent there knows what is given back, and holds the process to its limit");
        await HoldsAsync(pid, 280);

        await MachineRoom.ExecuteAsync(target, new SetMachineResources(machine, ResourceControls.None));
        await UntilAsync(async () => Usage(pid) > 340 && (await SampleAsync(target)).MemoryBallooned == Bytes.Zero, "the guest has all its memory again");

        // It leaves before it has given back what it is to.
        await UntilAsync(() => IsTakenAsync(target, machine, LimitOf(280)), "the guest has said what it can give back");
        pid = await MoveAsync(room, target, host, machine);
        await UntilAsync(() => Task.FromResult(IsHeld(pid, 280)), "the process is below the limit, and held to it");
        await HoldsAsync(pid, 280);
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
    }

    [Fact]
    public async Task AMachineThatIsStartedInAFullPoolGetsItsPartFromTheOthers()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var limit = Bytes.FromMib(600);
        var light = await StartAsync(room, host, "light", ResourceControls.None);
        await TellAsync(host, limit, light.Machine);
        await UntilAsync(() => Task.FromResult(Usage(light.Pid) > 400), "the first has filled all its memory");

        var heavy = await StartAsync(room, host, "heavy", new ResourceControls { Memory = new MemoryControl { Shares = 8000 } }, light.Pid);
        await TellAsync(host, limit, light.Machine, heavy.Machine);
        await UntilAsync(() => Task.FromResult(Usage(heavy.Pid) > 340 && Usage(light.Pid) < 205), "each has its part");
        // Over several divisions never more; that it is as much depends on how fast a guest fills its memory.
        for (var n = 0; n < 60; n++)
        {
            Assert.InRange(Usage(heavy.Pid) + Usage(light.Pid), 0, 600);
            await Task.Delay(200, Cancellation);
        }

        await UntilAsync(
            () => Task.FromResult((double)Usage(heavy.Pid) / Usage(light.Pid) is >= 1.7 and <= 2.6 && Usage(heavy.Pid) + Usage(light.Pid) >= 480), "each has its part still");
        Assert.Equal(new[] { light.Pid, heavy.Pid }.Order(), room.LivingProcesses().Order());
    }

    private static bool IsHeld(int pid, long mib) => Usage(pid) <= mib && MemoryGroups.LimitOf(pid) == Bytes.FromMib(mib).Value;

    // Over several divisions.
    private static async Task HoldsAsync(int pid, long mib)
    {
        for (var n = 0; n < 60; n++)
        {
            Assert.True(IsHeld(pid, mib), $"{Usage(pid)} MiB, held to {MemoryGroups.LimitOf(pid)}");
            await Task.Delay(200, Cancellation);
        }
    }

    private static async Task<int> MoveAsync(MachineRoom room, IHost from, IHost to, EntityId machine)
    {
        var known = Assert.Single((await from.ObserveAsync(Cancellation)).Machines, m => m.Id == machine);
        await Move.RunAsync(room, from, to, known, new MigrationSettings());
        return Assert.Single(room.LivingProcesses());
    }

    private static long Usage(int pid) => MemoryGroups.UsageOf(pid) >> 20;

    private static ResourceControls LimitOf(long mib) => new() { Memory = new MemoryControl { Limit = Bytes.FromMib(mib) } };

    private static async Task<bool> IsTakenAsync(IHost host, EntityId machine, ResourceControls controls)
    {
        try
        {
            await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, controls));
            return true;
        }
        catch (FaultException e) when (e.Fault is InvalidArgument)
        {
            return false;
        }
    }

    private static async Task<MachineSample> SampleAsync(IHost host) =>
        Assert.Single(((StatisticsReply)await MachineRoom.ExecuteAsync(host, new ReadStatistics())).Samples.Machines);

    private static Task TellAsync(IHost host, Bytes limit, params EntityId[] machines) => MachineRoom.ExecuteAsync(
        host, new ApplyPools([new HostPool(Pool, null, new CpuControl(), [.. machines]) { Memory = new MemoryControl { Limit = limit } }]));

    private static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        var deadline = DateTime.UtcNow + Bound;
        while (!await condition())
        {
            Assert.True(DateTime.UtcNow < deadline, $"Not so within {Bound.TotalSeconds} s: {what}.");
            await Task.Delay(500, Cancellation);
        }
    }

    private static async Task<KvmHost> OpenAsync(MachineRoom room, string name = "a")
    {
        var host = await room.OpenHostAsync(name, o => o with { ControlGroups = MemoryGroups.Open() });
        if (host.Warnings.Count > 0)
            Assert.Skip(host.Warnings[0]);
        return host;
    }

    private static async Task<(EntityId Machine, int Pid)> StartAsync(MachineRoom room, IHost host, string name, ResourceControls controls, params int[] others)
    {
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(),
            Name = name,
            Cpus = 1,
            Memory = Bytes.FromMib(MemoryMib),
            Resources = controls,
        };
        var machine = await LinuxMachine.CreateAsync(
            room, host, spec, "dd if=/dev/zero of=/root/file bs=1M count=300", "(while :; do cat /root/file > /dev/null; done) &");
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        return (machine.Id, Assert.Single(room.LivingProcesses().Except(others)));
    }
}
