using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>A command whose answer is lost, or that does not arrive at all, ends as if nothing had happened, and has one effect.</summary>
public sealed class LostAnswerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ALifeIsLivedOverAConnectionThatKeepsBreaking(bool isCarriedOut)
    {
        await using var site = await MachineSite.OpenAsync();
        void Break<T>()
            where T : HostCommand
        {
            if (isCarriedOut)
                site.Hosts.LoseAnswer<T>();
            else
                site.Hosts.LoseCommand<T>();
        }

        Break<CreateMachine>();
        var id = await site.CreateAsync("web01", host: 1);
        Break<ReconfigureMachine>();
        await site.SucceedAsync(new ReconfigureVm { Target = id, Cpus = 4, AddDisks = [Bytes.FromGib(1)] });
        Assert.Equal((4, 2), (site.Vm(id).Spec!.Cpus, site.Vm(id).Spec!.Disks.Length));
        Break<RegisterMachine>();
        Break<UnregisterMachine>();
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal(site.Host(2), site.Vm(id).Host);
        Assert.Null(await site.OnHostAsync(1, id));
        Break<StartMachine>();
        await site.SucceedAsync(new PowerOn { Target = id });
        Assert.Equal(1, site.Vm(id).LockEpoch);
        Break<StopMachine>();
        await site.SucceedAsync(new PowerOff { Target = id });
        Break<CloneMachine>();
        var clone = await site.SucceedAsync(new CloneVm { Target = id, Name = "web02" });
        Assert.Equal(2, site.Now.OfType<VirtualMachine>().Count());
        Break<DestroyMachine>();
        await site.SucceedAsync(new DestroyVm { Target = id });
        Break<UnregisterMachine>();
        await site.SucceedAsync(new UnregisterVm { Target = clone.Result!.Value });
        Assert.Empty(site.Now.OfType<VirtualMachine>());
        Assert.DoesNotContain(site.Files.Files, f => f.Key.StartsWith("web01/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ARegistrationFindsOutWhatItRegistered()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.SucceedAsync(new UnregisterVm { Target = id });
        site.Hosts.LoseAnswer<RegisterMachine>();
        var registered = await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "web01/web01.vmx" });
        Assert.Equal(id, registered.Result);
    }

    [Fact]
    public async Task AResetIsNotRepeated()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        site.Hosts.LoseAnswer<ResetMachine>();
        await site.FailAsync<Interrupted>(new ResetVm { Target = id });
        Assert.Single(site.Hosts.Sent, s => s.Command is ResetMachine);
    }

    [Fact]
    public async Task AMachineThatStartedAndEndedBehindALostAnswerIsNotStartedAgain()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        site.Hosts.On<StartMachine>(async carryOut =>
        {
            await carryOut();
            site.Simulation.Hosts.Single(h => h.Living.Any()).KillQemu(id);
            await site.UntilAsync(now => now.Get<VirtualMachine>(id) is { Power: PowerState.Off, LockEpoch: > 0 }, "its death is known");
            throw new FaultException(new HostNotConnected("lost", "the connection broke before the answer came"));
        });
        await site.FailAsync<MachineStartFailed>(new PowerOn { Target = id });
        Assert.Single(site.Hosts.Sent, s => s.Command is StartMachine);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(1970)]
    [InlineData(2099)]
    public void ATaskEndsWhenTheHostStaysAwayWhateverTheClockIsSetTo(int? year) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1);
        site.Hosts.On<StartMachine>(async carryOut =>
        {
            await carryOut();
            site.Simulation.Hosts[0].KillAgent();
            if (year is { } set)
                scheduler.Time.Set(new DateTimeOffset(set, 1, 1, 0, 0, 0, TimeSpan.Zero));
            throw new FaultException(new HostNotConnected("lost", "the connection broke before the answer came"));
        });
        var began = scheduler.Time.Elapsed;
        var fault = await site.FailAsync<Interrupted>(new PowerOn { Target = id });
        Assert.InRange(scheduler.Time.Elapsed - began, HostSessions.Patience, HostSessions.Patience + TimeSpan.FromSeconds(30));
        Assert.Contains($"{HostSessions.Patience.TotalSeconds}", fault.Message, StringComparison.Ordinal);

        site.Simulation.Hosts[0].StartAgent();
        await site.UntilAsync(now => now.Get<VirtualMachine>(id) is { IsStale: false, Power: PowerState.On }, "what it did is known afterwards");
    });

    [Fact]
    public async Task ACreationOfAKilledEngineThatNeverReachedTheHostLeavesNothing()
    {
        await using var site = await MachineSite.OpenAsync();
        var held = site.Hosts.Hold<CreateMachine>();
        var task = await site.SubmitAsync(site.Creation("web01"));
        await held.ArrivedAsync();
        await site.KillAndRestartAsync();
        var ended = await site.EndAsync(task);
        Assert.Equal(TaskState.Failed, ended.State);
        Assert.IsType<Interrupted>(ended.Fault);
        Assert.Empty(site.Now.OfType<VirtualMachine>());
        await site.CreateAsync("web01");
    }

    [Fact]
    public void ACreationOfAKilledEngineLeavesNothingThoughTheStoreIsFullWhenThatIsFoundOut() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var held = site.Hosts.Hold<CreateMachine>();
        var task = await site.SubmitAsync(site.Creation("web01"));
        await held.ArrivedAsync();
        foreach (var host in site.Simulation.Hosts)
            host.KillAgent();
        await site.KillAndRestartAsync();
        site.Store.IsFull = true;
        foreach (var host in site.Simulation.Hosts)
            host.StartAgent();
        await Task.Delay(TimeSpan.FromMinutes(1), scheduler.Time);
        Assert.Single(site.Now.OfType<VirtualMachine>());
        site.Store.IsFull = false;
        Assert.Equal(TaskState.Failed, (await site.EndAsync(task)).State);
        Assert.Empty(site.Now.OfType<VirtualMachine>());
    });

    [Fact]
    public void ACreationOfAKilledEngineWaitsOnceForAllHostsThatAreAway() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler, hosts: 4);
        var held = site.Hosts.Hold<CreateMachine>();
        var task = await site.SubmitAsync(site.Creation("web01"));
        await held.ArrivedAsync();
        foreach (var host in site.Simulation.Hosts)
            host.KillAgent();
        await site.KillAndRestartAsync();
        var began = scheduler.Time.Elapsed;
        Assert.IsType<Interrupted>((await site.EndAsync(task)).Fault);
        Assert.InRange(scheduler.Time.Elapsed - began, TimeSpan.Zero, HostSessions.Patience + TimeSpan.FromSeconds(10));
        Assert.Empty(site.Now.OfType<VirtualMachine>());
    });

    [Fact]
    public void ACreationOfAKilledEngineLeavesNothingThoughAHostHasAnotherCertificate() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var held = site.Hosts.Hold<CreateMachine>();
        var task = await site.SubmitAsync(site.Creation("web01") with { Location = site.Host(1) });
        await held.ArrivedAsync();
        site.Hosts.Hearing = host => host == site.Host(2) ? throw new FaultException(new HostIdentityChanged("h2", "AA", "BB")) : Task.CompletedTask;
        await site.KillAndRestartAsync();
        Assert.IsType<Interrupted>((await site.EndAsync(task)).Fault);
        Assert.Empty(site.Now.OfType<VirtualMachine>());
    });

    [Fact]
    public async Task ACloneOfAKilledEngineThatWasToBePoweredOnIsASuccessOnlyWhenItIs()
    {
        await using var site = await MachineSite.OpenAsync();
        var source = await site.CreateAsync("source");
        var held = site.Hosts.Hold<StartMachine>();
        var task = await site.SubmitAsync(new CloneVm { Target = source, Name = "web01", PowerOn = true });
        await held.ArrivedAsync();
        var disk = site.Store.Copy();
        await site.KillAndRestartAsync();
        var ended = await site.EndAsync(task);
        Assert.Equal((TaskState.Failed, site.Vm("web01").Id), (ended.State, ended.Result!.Value));
        Assert.Contains("Powering on 'web01'", Assert.IsType<Interrupted>(ended.Fault).Message, StringComparison.Ordinal);

        held.Release();
        await site.UntilAsync(_ => site.Vm("web01").Power == PowerState.On, "its host has started it");
        await site.KillAndRestartAsync(disk);
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
    }

    [Fact]
    public async Task ACreationOfAKilledEngineThatWasDoneIsASuccess()
    {
        await using var site = await MachineSite.OpenAsync();
        var done = new TaskCompletionSource();
        site.Hosts.On<CreateMachine>(async carryOut =>
        {
            await carryOut();
            done.SetResult();
            return await new TaskCompletionSource<HostReply>().Task;
        });
        var task = await site.SubmitAsync(site.Creation("web01"));
        await done.Task.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
        await site.KillAndRestartAsync();
        var ended = await site.EndAsync(task);
        Assert.Equal((TaskState.Succeeded, site.Vm("web01").Id), (ended.State, ended.Result!.Value));
        await site.UntilAsync(now => now.Get<VirtualMachine>(ended.Result!.Value) is { IsStale: false, BusyTask: null }, "its host has spoken");
        await site.SucceedAsync(new PowerOn { Target = ended.Result!.Value });
    }
}
