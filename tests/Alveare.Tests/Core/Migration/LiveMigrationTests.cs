using Alveare.Core.Migration;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Migration;

/// <summary>What may start to move, how many at once, and how a move is called off.</summary>
public sealed class LiveMigrationTests
{
    [Fact]
    public async Task WhereItIsAMachineDoesNotMove()
    {
        await using var site = await MachineSite.OpenAsync();
        var on = await site.CreateAsync("web01", host: 1, on: true);
        var off = await site.CreateAsync("web02", host: 1);
        await site.FailAsync<InvalidArgument>(new MigrateVm { Target = on, Host = site.Host(1) });
        await site.FailAsync<InvalidArgument>(new MigrateVm { Target = off, Host = site.Host(1) });
    }

    [Fact]
    public async Task EveryCheckHasItsOwnFault()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(1));
        var id = await site.CreateAsync("web01", host: 1, on: true, memory: Bytes.FromMib(600));
        await site.CreateAsync("web02", host: 2, on: true, memory: Bytes.FromMib(600));
        await site.FailAsync<InsufficientMemory>(new MigrateVm { Target = id, Host = site.Host(2) });
        site.Simulation.Hosts[2].SetLost(site.Files, true);
        await site.UntilAsync(now => now.Get<Host>(site.Host(3)).Datastores[0].Problem is not null, "the datastore is known to be lost");
        await site.FailAsync<DatastoreNotAccessible>(new MigrateVm { Target = id, Host = site.Host(3) });
        Assert.Equal(2, (await site.FailAsync<NoHostFits>(new MigrateVm { Target = id })).Refusals.Length);

        site.Simulation.Hosts[2].KillAgent();
        await site.UntilAsync(now => now.Get<Host>(site.Host(3)).Connection == HostConnection.NotResponding, "the host is known to be lost");
        await site.FailAsync<HostNotConnected>(new MigrateVm { Target = id, Host = site.Host(3) });
        await site.FailAsync<InvalidArgument>(new MigrateVm { Target = id, BandwidthLimit = -1 });
        Assert.DoesNotContain(site.Hosts.Sent, s => s.Command is PrepareIncoming);
        Assert.Equal([1], site.ProcessesOf(id));
    }

    [Fact]
    public async Task WhatQemuSaysIsInTheWayIsSaidBeforeAnythingIsStarted()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        site.Hosts.Refuse<CheckMovable>(new DeviceNotMovable("web01", "QEMU", "says: a device does not support it"));
        await site.FailAsync<DeviceNotMovable>(new MigrateVm { Target = id });
        Assert.DoesNotContain(site.Hosts.Sent, s => s.Command is PrepareIncoming);
        Assert.Equal([1], site.ProcessesOf(id));
    }

    [Fact]
    public async Task AnAgentThatDoesNotKnowTheQuestionIsNoObstacle()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        site.Hosts.Refuse<CheckMovable>(new InvalidArgument("host h1", "the command", "not readable", "a record of the protocol"));
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal([2], site.ProcessesOf(id));
    }

    [Fact]
    public async Task EveryMigrationHasAKeyOfItsOwn()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        await site.SucceedAsync(new MigrateVm { Target = id });
        await site.SucceedAsync(new MigrateVm { Target = id, BandwidthLimit = 1_000_000 });
        var sent = site.Hosts.Sent.Select(s => s.Command).OfType<SendMachine>().ToList();
        var prepared = site.Hosts.Sent.Select(s => s.Command).OfType<PrepareIncoming>().ToList();
        Assert.Equal(sent.Select(s => s.Settings), prepared.Select(p => p.Settings));
        Assert.Equal(2, sent.Select(s => s.Settings.TlsKey).Distinct().Count());
        Assert.All(sent, s => Assert.Equal(64, s.Settings.TlsKey!.Length));
        Assert.Equal(1_000_000, sent[1].Settings.BandwidthLimit);
    }

    [Fact]
    public async Task TheNinthMigrationOfAHostWaitsAndCanBeCalledOff()
    {
        await using var site = await MachineSite.OpenAsync();
        var machines = new List<EntityId>();
        for (var number = 1; number <= MigrationOperations.SlotsPerHost + 2; number++)
            machines.Add(await site.CreateAsync($"web{number:00}", host: 1, on: true));
        var release = site.Hosts.Hold<SendMachine>(MigrationOperations.SlotsPerHost);

        var tasks = new List<TaskRecord>();
        foreach (var machine in machines)
            tasks.Add(await site.SubmitAsync(new MigrateVm { Target = machine }));
        // Which two it is, is decided by the threads they run on.
        await site.UntilAsync(_ => Waiting().Count == 2, "two of them wait for a slot");
        var calledOff = Waiting()[^1];
        site.Cancel(calledOff);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(calledOff)).State);

        release.SetResult();
        foreach (var task in tasks.Where(t => t.Id != calledOff.Id))
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        Assert.Equal(site.Host(1), site.Vm(calledOff.Target).Host);
        await site.SucceedAsync(new MigrateVm { Target = calledOff.Target });

        List<TaskRecord> Waiting() => [.. tasks.Where(t => site.Engine.Tasks.Get(t.Id).State == TaskState.Queued)];
    }

    [Fact]
    public async Task ADatastoreBearsSoManyMigrationsAtOnceOnWhateverHosts()
    {
        const int pairs = (MigrationOperations.SlotsPerDatastore / MigrationOperations.SlotsPerHost) + 1;
        await using var site = await MachineSite.OpenAsync(hosts: 2 * pairs);
        var release = site.Hosts.Hold<PrepareIncoming>(int.MaxValue);
        var moves = new List<(EntityId Vm, EntityId Target)>();
        for (var number = 0; number < pairs * MigrationOperations.SlotsPerHost; number++)
            moves.Add((await site.CreateAsync($"web{number:00}", host: 1 + (number % pairs), on: true), site.Host(1 + pairs + (number % pairs))));
        var tasks = new List<TaskRecord>();
        foreach (var (vm, target) in moves)
            tasks.Add(await site.SubmitAsync(new MigrateVm { Target = vm, Host = target }));
        await site.UntilAsync(_ => Count(t => t.Move is not null) == MigrationOperations.SlotsPerDatastore, "as many as it bears have begun");
        await site.UntilAsync(_ => Count(t => t.State == TaskState.Queued) == MigrationOperations.SlotsPerHost, "the rest waits");
        Assert.Equal(MigrationOperations.SlotsPerDatastore, Count(t => t.Move is not null));

        release.SetResult();
        foreach (var task in tasks)
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);

        int Count(Func<TaskRecord, bool> isSo) => tasks.Count(t => isSo(site.Engine.Tasks.Get(t.Id)));
    }

    [Fact]
    public async Task AMachineMovesOnceAtATime()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var held = site.Hosts.Hold<SendMachine>();
        var moving = await site.SubmitAsync(new MigrateVm { Target = id, Host = site.Host(2) });
        await held.ArrivedAsync();
        await site.FailAsync<ObjectInUse>(new MigrateVm { Target = id, Host = site.Host(3) });
        await site.FailAsync<ObjectInUse>(new PowerOff { Target = id });
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(moving)).State);
    }

    [Fact]
    public async Task AMoveIsCalledOffWhileItIsPrepared()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        await held.ArrivedAsync();
        site.Cancel(task);
        held.Release();
        await AssertStayedAsync(site, id, await site.EndAsync(task), TaskState.Cancelled);
    }

    [Fact]
    public void AMoveIsCalledOffAlthoughTheSourceHearsOfItBeforeItBegins() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var held = site.Hosts.Hold<SendMachine>();
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        await held.ArrivedAsync();
        site.Cancel(task);
        Assert.True(site.Engine.Tasks.Get(task.Id).CancelRequested);
        held.Release();
        // It may have been quicker than the second telling: then it has moved, and the task says so.
        var ended = await site.EndAsync(task);
        var place = ended.State == TaskState.Succeeded ? 2 : 1;
        Assert.Equal((site.Host(place), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
        await AssertOnlyOnAsync(site, id, place);
    });

    [Fact]
    public void AMoveIsCalledOffDuringTheTransfer() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, task => site.Cancel(task));
        await AssertStayedAsync(site, id, ended, TaskState.Cancelled);
    });

    [Fact]
    public async Task AMoveIsNotCalledOffAfterTheSwitch()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.On<SendMachine>(async carryOut =>
        {
            var reply = await carryOut();
            await release.Task;
            return reply;
        });
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        await site.UntilTaskAsync(task, t => t.Step == "cleaning up the source", "it has switched");
        Assert.IsType<NotCancellable>(Assert.Throws<FaultException>(() => site.Cancel(task)).Fault);
        Assert.Equal(site.Host(2), site.Vm(id).Host);
        release.SetResult();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        Assert.IsType<TaskAlreadyEnded>(Assert.Throws<FaultException>(() => site.Cancel(task)).Fault);
    }

    [Fact]
    public void TheSwitchIsAPointOfNoReturn() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var task = await SwitchWithoutTargetsAgentAsync(site, id);
        var refused = Assert.IsType<NotCancellable>(Assert.Throws<FaultException>(() => site.Cancel(task)).Fault);
        Assert.Contains("is being switched to its new host", refused.Message, StringComparison.Ordinal);
        site.Simulation.Hosts[1].StartAgent();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        await AssertOnlyOnAsync(site, id, 2);
    });

    /// <summary>A migration to the second host that has come to its switch: without its agent the target gets the memory and cannot take the machine over
    /// yet, and the source waits for it.</summary>
    internal static async Task<TaskRecord> SwitchWithoutTargetsAgentAsync(MachineSite site, EntityId id)
    {
        site.Hosts.Begun = () =>
        {
            site.Hosts.Begun = null;
            site.Simulation.World.Nature.Post(_ => site.Simulation.Hosts[1].KillAgent(), null);
        };
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        return await site.UntilTaskAsync(task, t => t.Step == "switch", "it switches");
    }

    internal static async Task AssertStayedAsync(MachineSite site, EntityId id, TaskRecord ended, TaskState state)
    {
        Assert.True(ended.State == state, $"it ended {ended.State}: {ended.Fault?.Message}");
        Assert.Equal((site.Host(1), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
        await AssertOnlyOnAsync(site, id, 1);
        await site.SucceedAsync(new MigrateVm { Target = id });
    }

    /// <summary>One process, one registration, and no second one left behind.</summary>
    internal static async Task AssertOnlyOnAsync(MachineSite site, EntityId id, int host)
    {
        for (var number = 1; number <= site.Simulation.Hosts.Count; number++)
        {
            var there = number == host;
            using var limit = site.NewLimit();
            while ((await site.OnHostAsync(number, id) is null) == there || site.ProcessesOf(id).Contains(number) != there)
                await Task.Delay(TimeSpan.FromMilliseconds(10), site.Simulation.World.Time, limit.Token);
        }
    }
}
