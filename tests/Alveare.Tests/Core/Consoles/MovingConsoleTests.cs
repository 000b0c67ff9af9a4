using System.Text;
using Alveare.Core.Consoles;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Operations;
using Alveare.Model.Security;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Consoles;

/// <summary>Consoles that are opened, or end, while the center has not heard yet what becomes of their machine.</summary>
public sealed class MovingConsoleTests
{
    private static readonly Session Anna = new("anna", Role.Administrator, DateTimeOffset.MaxValue);

    [Fact]
    public void AConsoleIsOpenedOnTheNewHostAsSoonAsThatIsKnown() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var moved = await MovedUnheardAsync(site, scheduler);
        var opening = OpenAsync(site, moved.Machine);
        await Task.Delay(TimeSpan.FromSeconds(1), scheduler.Time);
        Assert.False(opening.IsCompleted);
        Assert.Equal(site.Host(1), site.Vm(moved.Machine).Host);

        moved.Heard.SetResult();

        await using var console = await opening;
        var greeting = new byte[13];
        await console.Stream.ReadExactlyAsync(greeting);
        Assert.Equal("web01 login: ", Encoding.UTF8.GetString(greeting));
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(moved.Task)).State);
        Assert.Equal(site.Host(2), site.Vm(moved.Machine).Host);
    });

    [Fact]
    public void WhereNothingIsHeardOfTheMachineItsConsoleIsRefusedForNow() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var moved = await MovedUnheardAsync(site, scheduler);
        var refused = await Assert.ThrowsAsync<FaultException>(() => OpenAsync(site, moved.Machine));
        Assert.Equal("moving to another host", Assert.IsType<InvalidState>(refused.Fault).Actual);
        moved.Heard.SetResult();
        await (await OpenAsync(site, moved.Machine)).DisposeAsync();
        await site.EndAsync(moved.Task);
    });

    [Fact]
    public void ATaskThatNobodySeesYetTellsAConsoleNothingOfItsEnd() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        await using var open = await OpenAsync(site, id);
        using var held = site.Store.Hold();
        var submitting = site.SubmitAsync(new MigrateVm { Target = id });
        await site.UntilAsync(_ => site.Vm(id).BusyTask is not null, "the machine is busy");
        Assert.Null(site.Engine.Tasks.Find(site.Vm(id).BusyTask!));

        Assert.NotEmpty(site.Engine.Consoles.Issue(Anna, "token", new HostChannel(id, HostChannelKind.Serial)).Secret);
        var ending = open.WhyEndedAsync();
        Assert.False(ending.IsCompleted);
        held.Release();
        Assert.Equal(ConsoleEndKind.Moving, (await ending).Kind);
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(await submitting)).State);
    });

    private static Task<OpenConsole> OpenAsync(MachineSite site, EntityId machine) =>
        site.Engine.Consoles.OpenAsync(Anna, new HostChannel(machine, HostChannelKind.Serial), CancellationToken.None);

    /// <summary>A machine that has moved from the first host to the second, of which the center hears nothing until it is let.</summary>
    private static async Task<(EntityId Machine, TaskRecord Task, TaskCompletionSource Heard)> MovedUnheardAsync(MachineSite site, Scheduler scheduler)
    {
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.Hearing = _ => heard.Task;
        site.Hosts.On<SendMachine>(LateAsync);
        site.Hosts.On<AwaitIncoming>(LateAsync);
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        while (await site.OnHostAsync(1, id) is not null)
            await Task.Delay(TimeSpan.FromMilliseconds(10), scheduler.Time);
        return (id, task, heard);

        async Task<HostReply> LateAsync(Func<Task<HostReply>> carryOut)
        {
            var reply = await carryOut();
            await heard.Task;
            return reply;
        }
    }
}
