using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Tests.Core.Hosts;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class EngineTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public void WhatWasRunningWhenTheEngineWasKilledHasFailedAndHoldsNoMachine() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.On);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var killed = site.Engine;
        host.Answer = _ => new TaskCompletionSource<HostReply>().Task;
        var task = await killed.Tasks.SubmitAsync(Session.System, new ResetVm { Target = machine.Id });
        // A change that is stored takes the mark of the task along.
        await killed.Inventory.ApplyAsync(now => Alveare.Core.Inventory.InventoryEdit.Of(now.Get<VirtualMachine>(machine.Id)));
        Assert.Equal(task.Id, site.Machine(machine.Id).BusyTask);

        await site.StartAsync();
        Assert.IsType<Interrupted>((await site.Engine.Tasks.WaitAsync(task.Id, Soon)).Fault);
        Assert.Null(site.Machine(machine.Id).BusyTask);
        Assert.NotEqual(killed.Feed.Run, site.Engine.Feed.Run);
        await site.UntilAsync(_ => !site.Machine(machine.Id).IsStale);
        await killed.DisposeAsync();
    });

    [Fact]
    public void AnOutcomeThatCanBeFoundOutKeepsItsMachineBusyUntilThen() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.On);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var killed = site.Engine;
        host.Answer = _ => new TaskCompletionSource<HostReply>().Task;
        var task = await killed.Tasks.SubmitAsync(Session.System, new ResetVm { Target = machine.Id });
        // Orderly, and yet the task has not failed: it was cut off.
        await killed.DisposeAsync();

        var found = new TaskCompletionSource<LeftoverOutcome>();
        await site.StartAsync(engine => engine.Tasks.FindOut<ResetVm>((_, _, _) => found.Task));
        Assert.Equal(task.Id, site.Machine(machine.Id).BusyTask);
        found.SetResult(new LeftoverOutcome(TaskState.Succeeded));
        Assert.Equal(TaskState.Succeeded, (await site.Engine.Tasks.WaitAsync(task.Id, Soon)).State);
        Assert.Null(site.Machine(machine.Id).BusyTask);
    });

    [Fact]
    public void AThousandMachinesAreThereAfterARestartAndKnownToBeOldUntilTheirHostSpeaks() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        for (var number = 1; number <= 1000; number++)
            host.Put(TestHost.Machine(number, PowerState.On));
        await using var site = await TestSite.WithAsync(scheduler, host);
        Assert.Equal(1000, site.Now.OfType<VirtualMachine>().Count());
        await site.Engine.DisposeAsync();

        host.GoAway();
        await site.StartAsync();
        var version = site.Now.Version;
        Assert.Equal(1000, site.Now.OfType<VirtualMachine>().Count(v => v.IsStale && v.Power == PowerState.On));
        host.ComeBack();
        await site.UntilAsync(now => !now.OfType<VirtualMachine>().Any(v => v.IsStale));
        // One change for all of them: watchers are not woken a thousand times.
        Assert.InRange(site.Now.Version - version, 1, 5);
    });

    [Fact]
    public void AHostThatCannotBeConnectedToKeepsNobodyFromStarting() => VirtualRun.Of(async scheduler =>
    {
        var (good, bad) = (new TestHost(1), new TestHost(2));
        await using var site = await TestSite.WithAsync(scheduler, good, bad);
        await site.Engine.DisposeAsync();
        site.Unreadable = bad.Name;
        await site.StartAsync();
        await site.UntilAsync(_ => site.Host(bad).Connection == HostConnection.NotResponding && site.Host(good).Connection == HostConnection.Connected);
        Assert.Contains("expected a name and a port", site.Host(bad).Problem);
    });

    [Fact]
    public void AnAcknowledgedSiteIsThereAfterTheEngineWasKilled() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1) { Directories = new() { ["/data"] = null } };
        await using var site = await TestSite.WithAsync(scheduler, host);
        var datastore = (await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" }))!.Value;
        var killed = site.Engine;

        await site.StartAsync();
        Assert.Equal("/dc/store", site.Now.PathOf(datastore));
        await site.UntilAsync(_ => site.Host(host) is { Connection: HostConnection.Connected, Datastores.Length: 1 });
        await killed.DisposeAsync();
    });
}
