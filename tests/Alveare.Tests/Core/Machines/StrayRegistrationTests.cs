using System.Text.Json.Nodes;
using Alveare.Core.Store;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>A machine is registered on its own host alone, whatever somebody missed or did by hand.</summary>
public sealed class StrayRegistrationTests
{
    [Fact]
    public async Task AHostThatWasAwayWhileItsMachineWasBroughtElsewhereLosesTheRegistration()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        await KillAgentAsync(site, 1);
        await site.SucceedAsync(new UnregisterVm { Target = id });
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "web01/web01.vmx", Location = site.Host(2) });
        await site.SucceedAsync(new PowerOn { Target = id, Host = site.Host(2) });
        await site.SucceedAsync(new PowerOff { Target = id });

        site.Simulation.Hosts[0].StartAgent();
        await site.UntilAsync(_ => site.Engine.Tasks.List().Any(t => t is { Operation: "vm.unregister-elsewhere", State: TaskState.Succeeded }), "it is taken from the first host");
        Assert.Null(await site.OnHostAsync(1, id));
        Assert.NotNull(await site.OnHostAsync(2, id));
        Assert.Equal(site.Host(2), site.Vm(id).Host);
        // It is told once the task is under way, and may come after its end.
        await site.UntilAsync(_ => site.Engine.Events.Since(0).Any(e => e.Kind == "vm.registered-twice"), "it is told");
        var told = Assert.Single(site.Engine.Events.Since(0), e => e.Kind == "vm.registered-twice");
        Assert.Contains("on host 'h2', its place, and off but registered on 'h1' too", told.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARegistrationByHandOfAMachineThatRunsElsewhereIsTakenAway()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        await site.FailAsync<InvalidState>(new UnregisterElsewhere { Target = id });
        await site.Simulation.Hosts[1].ExecuteAsync(new RegisterMachine(site.Vm(id).Config), null, CancellationToken.None);
        await site.UntilAsync(_ => site.Engine.Tasks.List().Any(t => t is { Operation: "vm.unregister-elsewhere", State: TaskState.Succeeded }), "it is taken from the second host");
        Assert.Null(await site.OnHostAsync(2, id));
        Assert.Equal((site.Host(1), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
    }

    [Fact]
    public async Task AMachineThatStartsWhileItIsRegisteredElsewhereStaysWhereItRuns()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var held = site.Hosts.Hold<RegisterMachine>();
        var task = await site.SubmitAsync(new MigrateVm { Target = id, Host = site.Host(2) });
        await held.ArrivedAsync();
        await site.Simulation.Hosts[0].ExecuteAsync(new StartMachine(id, 0), null, CancellationToken.None);
        await site.UntilAsync(_ => site.Vm(id).Power == PowerState.On, "it is known to run");
        held.Release();

        Assert.IsType<InvalidPowerState>((await site.EndAsync(task)).Fault);
        Assert.Equal((site.Host(1), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
        Assert.Null(await site.OnHostAsync(2, id));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AMachineThatWasDestroyedIsNotFoundOnAnotherHost(bool isAway)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        // While it is busy nobody takes the second registration away.
        var held = site.Hosts.Hold<DestroyMachine>();
        var task = await site.SubmitAsync(new DestroyVm { Target = id });
        await held.ArrivedAsync();
        await site.Simulation.Hosts[1].ExecuteAsync(new RegisterMachine(site.Vm(id).Config), null, CancellationToken.None);
        if (isAway)
            await KillAgentAsync(site, 2);
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        if (isAway)
        {
            // Known also to the next engine, and when so much has been done since that the task is forgotten.
            var disk = site.Store.Copy();
            await disk.CommitAsync([new StoreWrite(StoreKind.Task, TaskKey(disk, task), null)]);
            await site.KillAndRestartAsync(disk);
            site.Simulation.Hosts[1].StartAgent();
        }

        using var limit = new CancellationTokenSource(Patience.Longest);
        while (await site.OnHostAsync(2, id) is not null)
            await Task.Delay(10, limit.Token);
        Assert.Null(site.Now.Find(id));
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind == "vm.found");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OtherFilesWithTheIdentityOfADestroyedMachineAreFoundAndStayRegistered(bool isKilled)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var original = new DatastorePath(site.Datastore, "original/web01.vmx");
        site.Files.Write(original.Path, new Alveare.Simulation.Storage.ConfigFile(site.Vm(id).Spec!), "restoring");
        if (isKilled)
            await KillAgentAsync(site, 2);
        else
            await site.Simulation.Hosts[1].ExecuteAsync(new RegisterMachine(original), null, CancellationToken.None);
        await site.SucceedAsync(new DestroyVm { Target = id });
        if (isKilled)
        {
            await site.KillAndRestartAsync();
            site.Simulation.Hosts[1].StartAgent();
            await site.UntilAsync(now => now.Get<Host>(site.Host(2)).Connection == HostConnection.Connected, "it is back");
            await site.Simulation.Hosts[1].ExecuteAsync(new RegisterMachine(original), null, CancellationToken.None);
        }

        await site.UntilAsync(now => now.Find(id) is VirtualMachine vm && (vm.Host, vm.Config) == (site.Host(2), original), "the other one is found");
        Assert.NotNull(await site.OnHostAsync(2, id));
    }

    [Fact]
    public void AMachineThatWasDestroyedIsNotFoundOnAHostThatStillWaitsForIt() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var (id, destination) = (await site.CreateAsync("web01", host: 1, on: true), site.Simulation.Hosts[1]);
        // The destination is lost when its QEMU waits, and nobody can tell it that the migration is given up.
        site.Hosts.On<PrepareIncoming>(async carryOut =>
        {
            await carryOut();
            destination.KillAgent();
            throw new FaultException(new HostNotConnected("h2", "the connection broke"));
        });
        await site.FailAsync<HostNotConnected>(new MigrateVm { Target = id, Host = site.Host(2) });
        await site.SucceedAsync(new PowerOff { Target = id });
        await site.SucceedAsync(new DestroyVm { Target = id });

        destination.StartAgent();
        await site.UntilAsync(now => now.Get<Host>(site.Host(2)).Connection == HostConnection.Connected, "it is back");
        Assert.Equal(MigrationRole.Destination, (await site.OnHostAsync(2, id))?.Migration?.Role);
        while (await site.OnHostAsync(2, id) is not null)
            await Task.Delay(TimeSpan.FromSeconds(1), site.Simulation.World.Time);
        Assert.Null(site.Now.Find(id));
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind is "vm.found" or "vm.lost");
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AHostThatWasAwayHasNotFoundAMachineThatWasDestroyedThoughACopyOfItIsThere(bool isCopyDestroyed)
    {
        await using var site = await MachineSite.OpenAsync();
        // Its lock is newer than that of the copy.
        var id = await site.CreateAsync("web01", host: 1, on: true);
        await site.SucceedAsync(new PowerOff { Target = id });
        var (config, spec, copy) = (site.Vm(id).Config, site.Vm(id).Spec!, new DatastorePath(site.Datastore, "copy/web01.vmx"));
        await KillAgentAsync(site, 1);
        await site.SucceedAsync(new UnregisterVm { Target = id });
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = config.Path, Location = site.Host(2) });
        await site.SucceedAsync(new DestroyVm { Target = id });
        site.Files.Write(copy.Path, new Alveare.Simulation.Storage.ConfigFile(spec), "restoring");
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = copy.Path, Location = site.Host(2) });
        if (isCopyDestroyed)
            await site.SucceedAsync(new DestroyVm { Target = id });

        site.Simulation.Hosts[0].StartAgent();
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (await site.OnHostAsync(1, id) is not null)
            await Task.Delay(10, limit.Token);
        Assert.Equal(isCopyDestroyed, site.Now.Find(id) is null);
        if (!isCopyDestroyed)
            Assert.Equal((site.Host(2), copy), (site.Vm(id).Host!.Value, site.Vm(id).Config));
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind is "vm.found" or "vm.moved" or "vm.lost");
    }

    [Fact]
    public async Task FilesOfADestroyedMachineThatAreThereAgainAreRegistered()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        var (config, spec) = (site.Vm(id).Config, site.Vm(id).Spec!);
        await site.SucceedAsync(new DestroyVm { Target = id });
        // As from a backup.
        site.Files.Write(config.Path, new Alveare.Simulation.Storage.ConfigFile(spec), "restoring");
        var again = await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = config.Path });
        Assert.Equal((id, "web01"), (again.Result!.Value, site.Vm(id).Name));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AnEngineThatIsKilledWhileItDestroysFinishesAfterwards(bool isCarriedOut)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var killed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.On<DestroyMachine>(async carryOut =>
        {
            if (isCarriedOut)
                await carryOut();
            arrived.SetResult();
            await killed.Task;
            throw new FaultException(new HostNotConnected("h1", "this engine is no more"));
        });
        var task = await site.SubmitAsync(new DestroyVm { Target = id });
        await arrived.Task.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
        await site.KillAndRestartAsync();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        Assert.Null(site.Now.Find(id));
        Assert.Null(await site.OnHostAsync(1, id));
        killed.SetResult();
    }

    [Fact]
    public async Task ADestructionThatAnEarlierBuildLeftIsFinished()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var config = site.Vm(id).Config;
        var held = site.Hosts.Hold<DestroyMachine>();
        var task = await site.SubmitAsync(new DestroyVm { Target = id });
        await held.ArrivedAsync();
        // That one did not store which files were meant.
        var disk = site.Store.Copy();
        var key = TaskKey(disk, task);
        var stored = JsonNode.Parse(disk.Load(StoreKind.Task).Single(r => r.Key == key).Json)!.AsObject();
        Assert.True(stored.Remove("targetFiles"));
        await disk.CommitAsync([new StoreWrite(StoreKind.Task, key, stored.ToJsonString())]);
        await site.KillAndRestartAsync(disk);
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        Assert.Null(site.Now.Find(id));
        Assert.Null(site.Files.Find(config.Path));
        Assert.Null(await site.OnHostAsync(1, id));
    }

    [Fact]
    public async Task AnEngineThatIsKilledWhileItDestroysDeletesNoOtherFilesOfTheSameIdentity()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var original = new DatastorePath(site.Datastore, "original/web01.vmx");
        site.Files.Write(original.Path, new Alveare.Simulation.Storage.ConfigFile(site.Vm(id).Spec!), "restoring");
        await site.Simulation.Hosts[1].ExecuteAsync(new RegisterMachine(original), null, CancellationToken.None);
        var (arrived, killed) = (new TaskCompletionSource(), new TaskCompletionSource<HostReply>());
        site.Hosts.On<DestroyMachine>(async carryOut =>
        {
            await carryOut();
            arrived.SetResult();
            return await killed.Task;
        });
        var task = await site.SubmitAsync(new DestroyVm { Target = id });
        await arrived.Task.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
        // The other host speaks first, and has a machine of this identity.
        var first = new TaskCompletionSource();
        site.Hosts.Hearing = host => host == site.Host(1) ? first.Task : Task.CompletedTask;
        await site.KillAndRestartAsync();
        await site.UntilAsync(_ => site.Vm(id).Config == original, "the other one has its place");
        first.SetResult();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        await site.UntilAsync(now => now.Find(id) is VirtualMachine vm && (vm.Host, vm.Config) == (site.Host(2), original), "the other one is found");
        Assert.NotNull(site.Files.Find(original.Path));
        killed.SetException(new FaultException(new HostNotConnected("h1", "this engine is no more")));
    }

    [Fact]
    public async Task AnEngineThatIsKilledWhileItMakesSeveralMachinesStartsAgain()
    {
        await using var site = await MachineSite.OpenAsync();
        var template = await site.CreateAsync("golden");
        await site.SucceedAsync(new MarkTemplate { Target = template });
        var tasks = new List<TaskRecord>();
        foreach (var name in (string[])["web01", "web02"])
        {
            var (creation, clone) = (site.Hosts.Hold<CreateMachine>(), site.Hosts.Hold<CloneMachine>());
            tasks.Add(await site.SubmitAsync(site.Creation(name)));
            tasks.Add(await site.SubmitAsync(new CloneVm { Target = template, Name = $"{name}-clone" }));
            await creation.ArrivedAsync();
            await clone.ArrivedAsync();
        }

        await site.KillAndRestartAsync();
        foreach (var task in tasks)
            Assert.IsType<Interrupted>((await site.EndAsync(task)).Fault);
        Assert.Equal(["golden"], site.Now.OfType<VirtualMachine>().Select(v => v.Name));
        await site.SucceedAsync(new MarkVm { Target = template });
    }

    private static string TaskKey(MemoryStore disk, TaskRecord task) => disk.Load(StoreKind.Task).Single(r => r.Json.Contains($"\"{task.Id}\"", StringComparison.Ordinal)).Key;

    private static async Task KillAgentAsync(MachineSite site, int host)
    {
        site.Simulation.Hosts[host - 1].KillAgent();
        await site.UntilAsync(now => now.Get<Host>(site.Host(host)).Connection == HostConnection.NotResponding, "the host is known to be lost");
    }
}
