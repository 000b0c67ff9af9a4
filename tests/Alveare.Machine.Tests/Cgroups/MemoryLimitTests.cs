using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Kvm.Cgroups;
using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Cgroups;

/// <summary>Real guests that write to all their memory, and have less.</summary>
public sealed class MemoryLimitTests
{
    private static readonly EntityId Pool = new(EntityKind.ResourcePool, Guid.NewGuid());

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMemoryLimitIsInForceWhileTheGuestRuns()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var (machine, pid) = await StartAsync(room, host, "held", 64, LimitOf(300));
        Assert.Equal(Bytes.FromMib(300).Value, MemoryGroups.LimitOf(pid));
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, LimitOf(400)));
        Assert.Equal(Bytes.FromMib(400).Value, MemoryGroups.LimitOf(pid));
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None));
        Assert.Null(MemoryGroups.LimitOf(pid));
    }

    [Fact]
    public async Task AMemoryLimitBelowWhatQemuTakesIsRefused()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var (machine, _) = await StartAsync(room, host, "held", 64, ResourceControls.None);
        var fault = await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, LimitOf(1))));
        Assert.Contains("that its QEMU takes now", fault.Fault.Message, StringComparison.Ordinal);
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, LimitOf(4096)));
    }

    [Fact]
    public async Task AMachineThatWantsMoreThanItsLimitStaysWithinItWhereTheHostCanSwap()
    {
        Assert.SkipWhen(MemoryGroups.OfThisProcess is not null, "This machine's control groups are of version 1, where a machine waits at its limit.");
        Assert.SkipUnless(MemoryGroups.CanSwap, "This machine has no swap.");
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var limit = Bytes.FromMib(240).Value;
        var (_, pid) = await StartAsync(room, host, "held", 400, LimitOf(240));
        await MachineRoom.UntilAsync(() => MemoryGroups.UsageOf(pid) + MemoryGroups.SwappedOf(pid) > Bytes.FromMib(400).Value, "the guest has written to all its memory");
        var usage = new List<long>();
        for (var n = 0; n < 120; n++)
        {
            usage.Add(MemoryGroups.UsageOf(pid));
            await Task.Delay(500, Cancellation);
        }

        Assert.All(usage, u => Assert.InRange(u, limit * 0.9, limit * 1.01));
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
    }

    [Fact]
    public async Task WhereALimitLetsAMachineGrowAnEventSaysSoAtItsStartAndWhenTheLimitIsSet()
    {
        Assert.SkipWhen(MemoryGroups.OfThisProcess is not null, "This machine's control groups are of version 1, where a machine waits at its limit.");
        Assert.SkipWhen(MemoryGroups.CanSwap, "This machine has swap.");
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var said = EventsAsync(host, 2);
        var (machine, _) = await StartAsync(room, host, "held", 64, LimitOf(300));
        // It is said already.
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, LimitOf(400)));
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None));
        Assert.False(said.IsCompleted);
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, LimitOf(300)));
        Assert.All(await said, e =>
        {
            Assert.Equal(("vm.resources-not-enforced", machine), (e.Kind, e.Subject));
            Assert.Contains("add swap to the host", e.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task TheMachinesOfAPoolStayWithinItsLimitTogetherByTheirSharesAndNoneIsKilled()
    {
        Assert.SkipWhen(
            MemoryGroups.OfThisProcess is null, "This machine's control groups are of version 2: without swap machines grow beyond their limits, and with it their parts do not stand still.");
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var limit = Bytes.FromMib(480);
        var heavy = await StartAsync(room, host, "heavy", 400, new ResourceControls { Memory = new MemoryControl { Shares = 8000 } }, paused: true);
        var light = await StartAsync(room, host, "light", 400, ResourceControls.None, paused: true);
        await TellAsync(host, limit, heavy.Machine, light.Machine);
        await MachineRoom.ExecuteAsync(host, new ResumeMachine(heavy.Machine));
        await MachineRoom.ExecuteAsync(host, new ResumeMachine(light.Machine));
        await MachineRoom.UntilAsync(() => Used() > limit.Value * 0.9, "both have filled what they may");
        // Over several divisions.
        for (var n = 0; n < 60; n++)
        {
            Assert.InRange(Used(), limit.Value * 0.8, limit.Value * 1.01);
            await Task.Delay(200, Cancellation);
        }

        Assert.InRange((double)MemoryGroups.UsageOf(heavy.Pid) / MemoryGroups.UsageOf(light.Pid), 1.7, 2.3);

        // Who leaves the pool is free at once, and the other has what it leaves.
        await TellAsync(host, limit, light.Machine);
        await MachineRoom.UntilAsync(() => MemoryGroups.UsageOf(heavy.Pid) > Bytes.FromMib(400).Value, "the one that left has all its memory");
        await MachineRoom.UntilAsync(() => MemoryGroups.UsageOf(light.Pid) > Bytes.FromMib(400).Value, "the one that stayed has the whole limit");
        Assert.Equal(new[] { heavy.Pid, light.Pid }.Order(), room.LivingProcesses().Order());
        Assert.Equal((null, limit.Value), (MemoryGroups.LimitOf(heavy.Pid), MemoryGroups.LimitOf(light.Pid)));

        long Used() => MemoryGroups.UsageOf(heavy.Pid) + MemoryGroups.UsageOf(light.Pid);
    }

    [Fact]
    public async Task AMachineThatStandsAtItsLimitIsMovedAndHeldAgainWhereItArrives()
    {
        Assert.SkipWhen(MemoryGroups.OfThisProcess is null, "This machine's control groups are of version 2, where no machine stands still at its limit.");
        await using var room = MachineRoom.Open();
        var (host, target) = (await OpenAsync(room), await OpenAsync(room, "b"));
        var (machine, pid) = await StartAsync(room, host, "held", 400, LimitOf(240));
        await MachineRoom.UntilAsync(() => MemoryGroups.UsageOf(pid) > Bytes.FromMib(239).Value, "the guest has filled what it may");

        var known = Assert.Single((await host.ObserveAsync(Cancellation)).Machines);
        await Move.RunAsync(room, host, target, known, new MigrationSettings());
        pid = Assert.Single(room.LivingProcesses());
        await MachineRoom.UntilAsync(() => MemoryGroups.LimitOf(pid) is not null, "it is held where it has arrived");
    }

    [Fact]
    public async Task MachinesThatARestartedAgentFindsKeepWhatTheyAreHeldToAndAreFreedByIt()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room);
        var (one, other) = (await StartAsync(room, host, "one", 400, ResourceControls.None, paused: true), await StartAsync(room, host, "other", 400, ResourceControls.None, paused: true));
        await TellAsync(host, Bytes.FromMib(480), one.Machine, other.Machine);
        Assert.Equal((Bytes.FromMib(240).Value, Bytes.FromMib(240).Value), (MemoryGroups.LimitOf(one.Pid), MemoryGroups.LimitOf(other.Pid)));
        await host.DisposeAsync();
        host = await OpenAsync(room);
        Assert.Equal((Bytes.FromMib(240).Value, Bytes.FromMib(240).Value), (MemoryGroups.LimitOf(one.Pid), MemoryGroups.LimitOf(other.Pid)));
        await MachineRoom.ExecuteAsync(host, new ApplyPools([]));
        Assert.Equal((default(long?), default(long?)), (MemoryGroups.LimitOf(one.Pid), MemoryGroups.LimitOf(other.Pid)));
    }

    [Fact]
    public async Task WhereTheKernelCannotHoldAPoolsMachinesAnEventSaysSo()
    {
        var without = ControlGroupHierarchies.Read();
        without = without with { Controllers = without.Controllers.Remove("memory") };
        Assert.SkipWhen(without.Controllers.IsEmpty, "Version 2 of control groups has memory on this machine.");
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a", o => o with { ControlGroups = without });
        var machine = await room.StartTickingAsync(host, "held");
        var watching = EventsAsync(host, 1);
        await TellAsync(host, Bytes.FromMib(480), machine.Id);
        var found = Assert.Single(await watching);
        Assert.Equal(("vm.resources-not-enforced", machine.Id), (found.Kind, found.Subject));
        Assert.Contains("memory.limit_in_bytes", found.Message, StringComparison.Ordinal);
    }

    /// <summary>The next events of a host.</summary>
    private static async Task<IReadOnlyList<HostEventRaised>> EventsAsync(IHost host, int count)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(MachineRoom.Patience);
        var events = new List<HostEventRaised>();
        await foreach (var change in host.WatchAsync(limit.Token))
        {
            if (change is HostEventRaised raised)
                events.Add(raised);
            if (events.Count == count)
                break;
        }

        return events;
    }

    private static ResourceControls LimitOf(long mib) => new() { Memory = new MemoryControl { Limit = Bytes.FromMib(mib) } };

    private static async Task<KvmHost> OpenAsync(MachineRoom room, string name = "a")
    {
        var host = await room.OpenHostAsync(name, o => o with { ControlGroups = MemoryGroups.Open() });
        if (host.Warnings.Count > 0)
            Assert.Skip(host.Warnings[0]);
        return host;
    }

    private static Task TellAsync(IHost host, Bytes limit, params EntityId[] machines) => MachineRoom.ExecuteAsync(
        host, new ApplyPools([new HostPool(Pool, null, new CpuControl(), [.. machines]) { Memory = new MemoryControl { Limit = limit } }]));

    private static async Task<(EntityId Machine, int Pid)> StartAsync(
        MachineRoom room, IHost host, string name, long mib, ResourceControls controls, bool paused = false)
    {
        var machine = await room.CreateTickingAsync(host, name);
        FillingGuest.WriteDisk(room.DiskOf(name), Bytes.FromMib(mib).Value);
        await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, machine.Spec! with { Memory = Bytes.FromMib(mib) }));
        await MachineRoom.ExecuteAsync(host, new SetMachineResources(machine.Id, controls));
        var before = room.LivingProcesses();
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0, paused));
        var pid = Assert.Single(room.LivingProcesses().Except(before));
        await MachineRoom.UntilAsync(() => MemoryGroups.IsIn(pid, host.Id), "QEMU is in its group");
        return (machine.Id, pid);
    }
}
