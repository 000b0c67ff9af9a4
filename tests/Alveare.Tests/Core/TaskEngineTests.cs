using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Security;
using Alveare.Model.Tasks;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class TaskEngineTests
{
    private static readonly EntityId Vm = EntityId.Vm(new Guid(1, 0, 0, new byte[8]));
    private static readonly Session Admin = new("anna", Role.Administrator, DateTimeOffset.MaxValue);
    private static readonly Session Reader = new("rita", Role.ReadOnly, DateTimeOffset.MaxValue);

    private readonly MemoryStore _store = new();
    private readonly Feed _feed = new();
    private readonly InventoryWriter _inventory;
    private readonly EventLog _events;
    private readonly TaskEngine _tasks;

    public TaskEngineTests()
    {
        _inventory = new InventoryWriter(_store, _feed);
        _events = new EventLog(_store, _feed, TimeProvider.System);
        _tasks = NewEngine();
    }

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AnOperationEndsAndFreesItsMachine()
    {
        await AddVmAsync(PowerState.Off);
        _tasks.Handle<PowerOn>((_, context) =>
        {
            context.SetResult(Vm);
            return Task.CompletedTask;
        });

        var task = await _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm });
        var ended = await _tasks.WaitAsync(task.Id, Soon);

        Assert.Equal((TaskState.Succeeded, Vm), (ended.State, ended.Result));
        Assert.Null(_inventory.Current.Get<VirtualMachine>(Vm).BusyTask);
    }

    [Fact]
    public async Task TwoOperationsNeverWorkOnOneMachineAtOnce()
    {
        await AddVmAsync(PowerState.Off);
        var release = new TaskCompletionSource();
        _tasks.Handle<PowerOn>((_, _) => release.Task);

        var first = await _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm });
        var refused = await Assert.ThrowsAsync<FaultException>(() => _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm }));
        Assert.IsType<ObjectInUse>(refused.Fault);

        release.SetResult();
        Assert.Equal(TaskState.Succeeded, (await _tasks.WaitAsync(first.Id, Soon)).State);
    }

    [Fact]
    public async Task AMachineIsClonedManyTimesAtOnceAndNotChangedMeanwhile()
    {
        await AddVmAsync(PowerState.Off);
        var release = new TaskCompletionSource();
        _tasks.Handle<CloneVm>((_, _) => release.Task);
        _tasks.Handle<DestroyVm>((_, _) => Task.CompletedTask);

        var first = await _tasks.SubmitAsync(Admin, new CloneVm { Target = Vm, Name = "a" });
        var second = await _tasks.SubmitAsync(Admin, new CloneVm { Target = Vm, Name = "b" });
        var refused = await Assert.ThrowsAsync<FaultException>(() => _tasks.SubmitAsync(Admin, new DestroyVm { Target = Vm }));
        Assert.IsType<ObjectInUse>(refused.Fault);

        release.SetResult();
        await _tasks.WaitAsync(first.Id, Soon);
        await _tasks.WaitAsync(second.Id, Soon);
        var destroy = await _tasks.SubmitAsync(Admin, new DestroyVm { Target = Vm });
        Assert.Equal(TaskState.Succeeded, (await _tasks.WaitAsync(destroy.Id, Soon)).State);
    }

    [Fact]
    public async Task WhatATaskRemembersIsKnownAfterARestart()
    {
        await AddVmAsync(PowerState.On);
        var move = new MachineMove(new Guid(7, 0, 0, new byte[8]), EntityId.Host(Guid.Empty), EntityId.Host(new Guid(8, 0, 0, new byte[8])));
        var remembered = new TaskCompletionSource();
        _tasks.Handle<MigrateVm>(async (_, context) =>
        {
            context.SetMove(move);
            await context.RememberAsync();
            remembered.SetResult();
            await Task.Delay(Timeout.Infinite, Soon);
        });
        await _tasks.SubmitAsync(Admin, new MigrateVm { Target = Vm });
        await remembered.Task.WaitAsync(Soon);

        Assert.Equal(move, Assert.Single(NewEngine().Load()).Move);
    }

    [Fact]
    public async Task PoweringOnWhatIsOnIsRefused()
    {
        await AddVmAsync(PowerState.On);
        _tasks.Handle<PowerOn>((_, _) => Task.CompletedTask);
        var refused = await Assert.ThrowsAsync<FaultException>(() => _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm }));
        Assert.IsType<InvalidPowerState>(refused.Fault);
    }

    [Fact]
    public async Task ARefusedPrivilegeIsAudited()
    {
        await AddVmAsync(PowerState.Off);
        _tasks.Handle<PowerOn>((_, _) => Task.CompletedTask);
        var refused = await Assert.ThrowsAsync<FaultException>(() => _tasks.SubmitAsync(Reader, new PowerOn { Target = Vm }));
        Assert.Equal("vm-power", Assert.IsType<NoPermission>(refused.Fault).Privilege);
        Assert.Contains(_events.Since(0), e => e.Severity == EventSeverity.Audit && e.User == "rita");
    }

    [Fact]
    public async Task AFailedOperationTakesBackWhatItDidLastFirst()
    {
        await AddVmAsync(PowerState.Off);
        var undone = new List<int>();
        _tasks.Handle<PowerOn>((_, context) =>
        {
            foreach (var step in new[] { 1, 2 })
            {
                context.Undo.Push(() =>
                {
                    undone.Add(step);
                    return Task.CompletedTask;
                });
            }

            throw new FaultException(new DatastoreFull("fast", "the copy"));
        });

        var task = await _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm });
        var ended = await _tasks.WaitAsync(task.Id, Soon);
        Assert.IsType<DatastoreFull>(ended.Fault);
        Assert.Equal([2, 1], undone);
    }

    [Fact]
    public async Task ATaskEndsEvenWhenTakingBackBreaks()
    {
        await AddVmAsync(PowerState.Off);
        _tasks.Handle<PowerOn>((_, context) =>
        {
            context.Undo.Push(() => throw new InvalidOperationException("broken"));
            throw new FaultException(new DatastoreFull("fast", "the copy"));
        });
        var task = await _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm });
        Assert.IsType<DatastoreFull>((await _tasks.WaitAsync(task.Id, Soon)).Fault);
        Assert.Null(_inventory.Current.Get<VirtualMachine>(Vm).BusyTask);
    }

    [Fact]
    public async Task ABugFailsItsTaskAndNothingElse()
    {
        await AddVmAsync(PowerState.Off);
        _tasks.Handle<PowerOn>((_, _) => throw new InvalidOperationException("broken invariant"));
        var task = await _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm });
        Assert.IsType<InternalError>((await _tasks.WaitAsync(task.Id, Soon)).Fault);
    }

    [Fact]
    public async Task CancellingStopsATaskAndIsRefusedAfterTheEnd()
    {
        await AddVmAsync(PowerState.On);
        _tasks.Handle<ShutdownGuest>((_, context) => Task.Delay(Timeout.Infinite, context.Cancellation));
        var task = await _tasks.SubmitAsync(Admin, new ShutdownGuest { Target = Vm });
        _tasks.Cancel(Admin, task.Id);
        Assert.Equal(TaskState.Cancelled, (await _tasks.WaitAsync(task.Id, Soon)).State);
        Assert.Equal("cancelled", Assert.IsType<TaskAlreadyEnded>(Assert.Throws<FaultException>(() => _tasks.Cancel(Admin, task.Id)).Fault).State);
    }

    [Fact]
    public async Task AnAcknowledgedTaskIsKnownAfterARestart()
    {
        await AddVmAsync(PowerState.Off);
        _tasks.Handle<PowerOn>((_, _) => Task.Delay(Timeout.Infinite, Soon));
        var task = await _tasks.SubmitAsync(Admin, new PowerOn { Target = Vm });

        var restarted = NewEngine();
        var left = restarted.Load();
        Assert.Equal([task.Id], left.Select(t => t.Id));
        await restarted.EndLeftoversAsync(left, Soon);
        Assert.IsType<Interrupted>((await restarted.WaitAsync(task.Id, Soon)).Fault);
    }

    [Fact]
    public async Task AConclusionAndTheEndOfItsTaskAreOnDiskTogether()
    {
        await AddVmAsync(PowerState.Off);
        var concluded = new TaskCompletionSource();
        _tasks.Handle<DestroyVm>(async (_, context) =>
        {
            await context.ConcludeAsync(_ => InventoryEdit.Remove(Vm));
            concluded.SetResult();
            await Task.Delay(Timeout.Infinite, Soon);
        });

        var task = await _tasks.SubmitAsync(Admin, new DestroyVm { Target = Vm });
        await concluded.Task;

        // The center is killed here: what it left needs nobody to find anything out.
        var inventory = new InventoryWriter(_store.Copy(), _feed);
        inventory.Load();
        Assert.Null(inventory.Current.Find(Vm));
        var restarted = NewEngine();
        Assert.Empty(restarted.Load());
        Assert.Equal(TaskState.Succeeded, restarted.Get(task.Id).State);
        Assert.False(_tasks.Get(task.Id).HasEnded);
    }

    [Fact]
    public async Task AConclusionThatCannotBeStoredChangesNothingAndMayBeTriedAgain()
    {
        await AddVmAsync(PowerState.Off);
        _tasks.Handle<DestroyVm>(async (_, context) =>
        {
            _store.Failures = 1;
            await Assert.ThrowsAsync<FaultException>(() => context.ConcludeAsync(_ => InventoryEdit.Remove(Vm)));
            Assert.NotNull(_inventory.Current.Find(Vm));
            Assert.Single(NewEngine().Load());
            await context.ConcludeAsync(_ => InventoryEdit.Remove(Vm));
        });

        var task = await _tasks.SubmitAsync(Admin, new DestroyVm { Target = Vm });

        Assert.Equal(TaskState.Succeeded, (await _tasks.WaitAsync(task.Id, Soon)).State);
        Assert.Null(_inventory.Current.Find(Vm));
    }

    [Fact]
    public async Task NothingTakesAConclusionBack()
    {
        await AddVmAsync(PowerState.Off);
        var takenBack = false;
        _tasks.Handle<DestroyVm>(async (_, context) =>
        {
            context.Undo.Push(() => takenBack = true);
            await context.ConcludeAsync(_ => InventoryEdit.Remove(Vm));
            throw new InvalidOperationException("after the fact");
        });

        var task = await _tasks.SubmitAsync(Admin, new DestroyVm { Target = Vm });

        Assert.Equal(TaskState.Succeeded, (await _tasks.WaitAsync(task.Id, Soon)).State);
        Assert.False(takenBack);
    }

    [Fact]
    public async Task SlotsAreGivenInTheOrderAsked()
    {
        var budget = new SlotBudget(1);
        var first = await budget.TakeAsync([Vm], Soon);
        var second = budget.TakeAsync([Vm], Soon);
        var third = budget.TakeAsync([Vm], Soon);
        Assert.False(second.IsCompleted);
        first.Dispose();
        (await second).Dispose();
        (await third).Dispose();
    }

    private TaskEngine NewEngine() => new(_store, _inventory, _events, _feed, TimeProvider.System, NullLogger.Instance);

    private Task AddVmAsync(PowerState power) => _inventory.ApplyAsync(_ => InventoryEdit.Of(new VirtualMachine
    {
        Id = Vm,
        Name = "web01",
        Parent = EntityId.Root,
        Config = new DatastorePath(EntityId.Datastore(Guid.Empty), "web01/web01.vmx"),
        Power = power,
    }));
}
