using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Kvm.Cgroups;
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
    public async Task TheMachinesOfAPoolStayWithinItsLimitTogetherByTheirSharesAndNoneIsKilled()
    {
        Assert.SkipWhen(MemoryGroups.OfThisProcess is null, "This machine's control groups (version 2) slow a machine down at its limit, and do not hold it there.");
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
        var host = await room.OpenHostAsync("a", groups: without);
        var machine = await room.StartTickingAsync(host, "held");
        using var limit = new CancellationTokenSource(MachineRoom.Patience);
        var watching = FirstEventAsync();
        await TellAsync(host, Bytes.FromMib(480), machine.Id);
        var found = await watching;
        Assert.Equal(("vm.resources-not-enforced", machine.Id), (found.Kind, found.Subject));
        Assert.Contains("memory.limit_in_bytes", found.Message, StringComparison.Ordinal);

        async Task<HostEventRaised> FirstEventAsync()
        {
            await foreach (var change in host.WatchAsync(limit.Token))
            {
                if (change is HostEventRaised raised)
                    return raised;
            }

            throw new InvalidOperationException("The host said nothing.");
        }
    }

    private static ResourceControls LimitOf(long mib) => new() { Memory = new MemoryControl { Limit = Bytes.FromMib(mib) } };

    private static async Task<KvmHost> OpenAsync(MachineRoom room)
    {
        var host = await room.OpenHostAsync("a", groups: MemoryGroups.Open());
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
