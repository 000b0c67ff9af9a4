using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Storage;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>A machine has one name: in the inventory, on its host and in its files.</summary>
public sealed class RenameTests
{
    private const string Path = "web01/web01.vmx";

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task AMachineIsRenamedDownToItsFilesWhetherItRunsOrNot(bool on, bool isTemplate)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: on);
        if (isTemplate)
            await site.SucceedAsync(new MarkTemplate { Target = id });
        await site.SucceedAsync(new RenameVm { Target = id, Name = "shop" });
        await RequireNameAsync(site, id, "shop");
        Assert.Equal(Path, site.Vm(id).Config.Path);
        Assert.Equal(on ? PowerState.On : PowerState.Off, site.Vm(id).Power);
        Assert.Equal(isTemplate, site.Vm(id).IsTemplate);
    }

    [Fact]
    public async Task WhoRegistersTheFilesAnewFindsTheNewName()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.SucceedAsync(new RenameVm { Target = id, Name = "shop" });
        await site.SucceedAsync(new UnregisterVm { Target = id });
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = Path });
        Assert.Equal("shop", site.Vm(id).Name);
    }

    [Fact]
    public async Task RenamingAnyObjectRenamesAMachineToo()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.SucceedAsync(new Rename { Target = EntityId.Root, Object = id, Name = "shop" });
        await RequireNameAsync(site, id, "shop");
        await site.FailAsync<InvalidName>(new Rename { Target = EntityId.Root, Object = id, Name = "" });
        await RequireNameAsync(site, id, "shop");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ALostAnswerIsFoundOut(bool isCarriedOut)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        if (isCarriedOut)
            site.Hosts.LoseAnswer<RenameMachine>();
        else
            site.Hosts.LoseCommand<RenameMachine>();
        await site.SucceedAsync(new RenameVm { Target = id, Name = "shop" });
        await RequireNameAsync(site, id, "shop");
    }

    [Fact]
    public async Task ANameThatCannotBeIsRefusedBeforeAnyHostIsAsked()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.CreateAsync("web02");
        await site.FailAsync<DuplicateName>(new RenameVm { Target = id, Name = "web02" });
        await site.FailAsync<InvalidName>(new RenameVm { Target = id, Name = "a/b" });
        await site.FailAsync<InvalidName>(new RenameVm { Target = id, Name = new string('x', MachineLimits.MaxNameLength + 1) });
        Assert.DoesNotContain(site.Hosts.Sent, s => s.Command is RenameMachine);
        await RequireNameAsync(site, id, "web01");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AHostThatRefusesLeavesTheOldNameEverywhere(bool on)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: on);
        site.Hosts.Refuse<RenameMachine>(new DatastoreFull("shared", "writing its configuration"));
        await site.FailAsync<DatastoreFull>(new RenameVm { Target = id, Name = "shop" });
        // As an agent answers that is older than the command.
        site.Hosts.Refuse<RenameMachine>(new Unsupported("Host 'h1'", "the command 'rename-machine'"));
        await site.FailAsync<Unsupported>(new RenameVm { Target = id, Name = "shop" });
        await RequireNameAsync(site, id, "web01");
        await site.SucceedAsync(new RenameVm { Target = id, Name = "shop" });
        await RequireNameAsync(site, id, "shop");
    }

    [Fact]
    public async Task AMachineWhoseFilesCannotBeReachedIsNotRenamed()
    {
        await using var site = await MachineSite.OpenAsync();
        var away = await site.CreateAsync("away", host: 1);
        site.Simulation.Hosts[0].KillAgent();
        await site.UntilAsync(_ => site.Vm(away).IsStale, "its host is missed");
        Assert.Equal("h1", (await site.FailAsync<HostNotConnected>(new RenameVm { Target = away, Name = "shop" })).HostName);
        Assert.Equal("away", site.Vm(away).Name);

        var spoilt = await site.CreateAsync("spoilt", host: 2);
        await site.SucceedAsync(new UnregisterVm { Target = spoilt });
        site.Files.Write("spoilt/spoilt.vmx", new ConfigFile(null, "it is binary"), "spoiling it");
        var invalid = await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "spoilt/spoilt.vmx" });
        Assert.Contains("it is binary", (await site.FailAsync<InvalidMachine>(new RenameVm { Target = invalid.Result!.Value, Name = "shop" })).Message, StringComparison.Ordinal);

        var lost = await site.CreateAsync("lost", host: 2);
        await site.Simulation.Hosts[1].ExecuteAsync(new UnregisterMachine(lost), null, CancellationToken.None);
        await site.UntilAsync(_ => site.Vm(lost).Host is null, "it is on no host");
        await site.FailAsync<InvalidState>(new RenameVm { Target = lost, Name = "shop" });
    }

    [Fact]
    public async Task AMachineThatIsMovingKeepsItsNameUntilItHasMoved()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        var held = site.Hosts.Hold<SendMachine>();
        var migration = await site.SubmitAsync(new MigrateVm { Target = id, Host = site.Host(2) });
        await held.ArrivedAsync();
        Assert.Equal(migration.Id, (await site.FailAsync<ObjectInUse>(new RenameVm { Target = id, Name = "shop" })).By);
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(migration)).State);
        await site.SucceedAsync(new RenameVm { Target = id, Name = "shop" });
        await RequireNameAsync(site, id, "shop", host: 2);
    }

    [Fact]
    public async Task ANameThatAnotherMachineIsGivenMeanwhileIsGivenBack()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        site.Hosts.On<RenameMachine>(async carryOut =>
        {
            await site.CreateAsync("shop", host: 2);
            return await carryOut();
        });
        await site.FailAsync<DuplicateName>(new RenameVm { Target = id, Name = "shop" });
        await RequireNameAsync(site, id, "web01");
        Assert.NotEqual(id, site.Vm("shop").Id);
    }

    [Fact]
    public async Task ANameThatTheFilesHaveAlreadyIsTheInventorysToo()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        var other = await site.CreateAsync("web02");
        await site.SucceedAsync(new UnregisterVm { Target = other });
        await site.SucceedAsync(new RenameVm { Target = id, Name = "web02" });
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "web02/web02.vmx", Location = site.Host(1) });
        Assert.Equal("web02 (2)", site.Vm(other).Name);
        await site.SucceedAsync(new RenameVm { Target = id, Name = "web01" });
        await site.SucceedAsync(new RenameVm { Target = other, Name = "web02" });
        await RequireNameAsync(site, other, "web02");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AnEngineThatIsKilledInTheMiddleEndsWithTheNameThatTheFilesHave(bool isDone)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        var arrived = new TaskCompletionSource();
        site.Hosts.On<RenameMachine>(async carryOut =>
        {
            if (isDone)
                await carryOut();
            arrived.SetResult();
            return await new TaskCompletionSource<HostReply>().Task;
        });
        var disk = site.Store.Copy();
        await site.SubmitAsync(new RenameVm { Target = id, Name = "shop" });
        await arrived.Task.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
        await site.KillAndRestartAsync(disk);
        await site.UntilAsync(_ => !site.Vm(id).IsStale, "its host has spoken");
        await RequireNameAsync(site, id, isDone ? "shop" : "web01");
        Assert.Equal(isDone, site.Engine.Events.Since(0).Any(e => e.Kind == "vm.renamed"));
        await site.SucceedAsync(new RenameVm { Target = id, Name = "last" });
        await RequireNameAsync(site, id, "last");
    }

    private static async Task RequireNameAsync(MachineSite site, EntityId id, string name, int host = 1)
    {
        Assert.Equal(name, site.Vm(id).Name);
        Assert.Equal(name, (await site.OnHostAsync(host, id))!.Spec!.Name);
        Assert.Equal(name, Assert.IsType<ConfigFile>(site.Files.Find(site.Vm(id).Config.Path)).Spec!.Name);
    }
}
