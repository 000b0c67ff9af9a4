using Alveare.Core.Changes;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Simulation.Storage;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>What becomes of a machine when everything goes well.</summary>
public sealed class MachineLifeTests
{
    [Fact]
    public async Task ATaskNamesWhatItMadeAndIsAllThatIsSaidOfIt()
    {
        await using var site = await MachineSite.OpenAsync();
        var before = site.Engine.Events.Since(0).Count;
        var made = await site.SucceedAsync(site.Creation("web01"));
        Assert.Equal(("web01", "web01"), (made.ResultName, site.Vm(made.Result!.Value).Name));
        await site.SucceedAsync(new PowerOn { Target = made.Result!.Value });
        await site.SucceedAsync(new MigrateVm { Target = made.Result!.Value });
        await site.SucceedAsync(new PowerOff { Target = made.Result!.Value });
        await site.SucceedAsync(new UnregisterVm { Target = made.Result!.Value });
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "web01/web01.vmx" });
        Assert.All(site.Engine.Events.Since(0).Skip(before), e => Assert.Equal("task.succeeded", e.Kind));
    }

    [Fact]
    public async Task WhatTheSourceIsHeardOfLateChangesNothingAboutAMachineThatHasMoved()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var before = site.Engine.Events.Since(0).Count;
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.Hearing = host => host == site.Host(1) ? late.Task : Task.CompletedTask;
        await site.SucceedAsync(new MigrateVm { Target = id });
        await site.SucceedAsync(new PowerOff { Target = id });
        Assert.Equal((site.Host(2), PowerState.Off), (site.Vm(id).Host!.Value, site.Vm(id).Power));
        late.SetResult();
        await site.SucceedAsync(new UnregisterVm { Target = id });
        Assert.All(site.Engine.Events.Since(0).Skip(before), e => Assert.Equal("task.succeeded", e.Kind));
    }

    [Fact]
    public async Task AMachineIsCreatedStartedStoppedAndDestroyed()
    {
        await using var site = await MachineSite.OpenAsync();
        var made = await site.SucceedAsync(site.Creation("web01"));
        var id = made.Result!.Value;
        var vm = site.Vm(id);
        Assert.Equal(("web01", site.Datacenter, PowerState.Off, (string?)null), (vm.Name, vm.Parent!.Value, vm.Power, vm.BusyTask));
        Assert.Equal("web01/web01.vmx", vm.Config.Path);
        Assert.Equal("web01.qcow2", Assert.Single(vm.Spec!.Disks).File);
        Assert.StartsWith("52:54:00:", Assert.Single(vm.Spec!.Nics).Mac, StringComparison.Ordinal);

        var started = await site.SucceedAsync(new PowerOn { Target = id });
        Assert.Equal((PowerState.On, vm.Host), (site.Vm(id).Power, started.Result));
        await site.FailAsync<InvalidPowerState>(new PowerOn { Target = id });
        await site.FailAsync<InvalidPowerState>(new DestroyVm { Target = id });
        await site.SucceedAsync(new ResetVm { Target = id });
        await site.SucceedAsync(new PowerOff { Target = id });
        Assert.Equal(PowerState.Off, site.Vm(id).Power);

        await site.SucceedAsync(new DestroyVm { Target = id });
        Assert.Null(site.Now.Find(id));
        Assert.Empty(site.Files.Files);
    }

    [Fact]
    public async Task AMachineThatIsOnIsDestroyedWhenThatIsAskedFor()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.SucceedAsync(new PowerOn { Target = id });

        await site.SucceedAsync(new DestroyVm { Target = id, PowerOff = true });

        Assert.Null(site.Now.Find(id));
        Assert.Empty(site.Files.Files);
    }

    [Fact]
    public async Task AMachineThatIsDestroyedIsNeverTakenForOneThatItsHostLost()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        var before = site.Engine.Feed.Last;
        await site.SucceedAsync(new DestroyVm { Target = id });
        var said = site.Engine.Feed.Since(before)!.ToList();
        Assert.All(said.OfType<EntityPut>().Select(p => p.Entity).OfType<VirtualMachine>(), vm => Assert.NotNull(vm.Host));
        Assert.Equal(id, Assert.Single(said.OfType<EntityRemoved>()).Id);
    }

    [Fact]
    public async Task ARunningMachineMovesLive()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var moved = await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal((site.Host(2), PowerState.On), (moved.Result!.Value, site.Vm(id).Power));
        Assert.Equal(site.Host(2), site.Vm(id).Host);
        Assert.Equal([2], site.ProcessesOf(id));
        Assert.NotNull(moved.Figures);
        Assert.Equal(site.Host(1), moved.Move!.Source);
    }

    [Fact]
    public async Task AMachineThatIsOffMovesByRegistration()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        await site.SucceedAsync(new MigrateVm { Target = id, Host = site.Host(2) });
        Assert.Equal(site.Host(2), site.Vm(id).Host);
        Assert.Null(await site.OnHostAsync(1, id));
        Assert.NotNull(await site.OnHostAsync(2, id));
    }

    [Theory]
    [InlineData(CloneKind.Full)]
    [InlineData(CloneKind.Linked)]
    public async Task ATemplateIsDeployedAndTheMachinePoweredOnInTheSameTask(CloneKind kind)
    {
        await using var site = await MachineSite.OpenAsync();
        var template = await site.CreateAsync("debian");
        await site.SucceedAsync(new MarkTemplate { Target = template });
        await site.FailAsync<InvalidState>(new PowerOn { Target = template });

        var deployed = await site.SucceedAsync(new CloneVm { Target = template, Name = "web01", Kind = kind, Cpus = 4, PowerOn = true });
        var vm = site.Vm(deployed.Result!.Value);
        Assert.Equal(("web01", PowerState.On, 4, false), (vm.Name, vm.Power, vm.Spec!.Cpus, vm.IsTemplate));
        Assert.NotEqual(site.Vm(template).Spec!.Nics[0].Mac, vm.Spec!.Nics[0].Mac);
        Assert.Null(vm.BusyTask);
    }

    [Fact]
    public async Task AMachineBecomesATemplateAndAMachineAgain()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("debian");
        await site.SucceedAsync(new MarkTemplate { Target = id });
        Assert.True(site.Vm(id).IsTemplate);
        await site.SucceedAsync(new MarkVm { Target = id });
        Assert.False(site.Vm(id).IsTemplate);
        await site.SucceedAsync(new PowerOn { Target = id });
    }

    [Fact]
    public async Task AMachineIsReconfiguredAndKeepsItsCards()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        var mac = site.Vm(id).Spec!.Nics[0].Mac;
        await site.SucceedAsync(new ReconfigureVm
        {
            Target = id,
            Cpus = 3,
            Memory = Bytes.FromGib(1),
            PortGroups = [MachineSite.PortGroup, MachineSite.PortGroup],
            AddDisks = [Bytes.FromGib(2)],
        });
        var spec = site.Vm(id).Spec!;
        Assert.Equal((3, Bytes.FromGib(1), mac), (spec.Cpus, spec.Memory, spec.Nics[0].Mac));
        Assert.Equal(["web01.qcow2", "web01-1.qcow2"], spec.Disks.Select(d => d.File));
        Assert.Equal(2, spec.Nics.Select(n => n.Mac).Distinct().Count());
    }

    [Fact]
    public async Task ANewDiskIsCalledOtherwiseThanAFileThatIsThereAndIsNoDiskOfTheMachine()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        var left = new PlainFile(Bytes.FromMib(1));
        site.Files.Write("web01/web01-1.qcow2", left, "leaving it");

        await site.SucceedAsync(new ReconfigureVm { Target = id, AddDisks = [Bytes.FromGib(2)] });

        var added = site.Vm(id).Spec!.Disks[1].File;
        Assert.StartsWith("web01-", added, StringComparison.Ordinal);
        Assert.IsType<DiskFile>(site.Files.Find($"web01/{added}"));
        Assert.Equal(left, site.Files.Find("web01/web01-1.qcow2"));
    }

    [Theory]
    [InlineData("db.lock.old")]
    [InlineData("db.Lock")]
    public async Task AMachineMayBeNamedAsALock(string name)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync(name);
        Assert.Equal(name, site.Vm(id).Name);
        Assert.Empty(MachineSpecRules.Check(site.Vm(id).Spec!));
    }

    [Fact]
    public async Task AGuestIsAskedToShutDown()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        await site.SucceedAsync(new ShutdownGuest { Target = id });
        Assert.Equal(PowerState.Off, site.Vm(id).Power);
    }

    [Fact]
    public async Task AnUnregisteredMachineIsRegisteredAgainFromItsFiles()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        await site.SucceedAsync(new UnregisterVm { Target = id });
        Assert.Null(site.Now.Find(id));

        var again = await site.SucceedAsync(new RegisterVm
        {
            Target = site.Datacenter, Datastore = site.Datastore, Path = "web01/web01.vmx", Location = site.Host(2),
        });
        Assert.Equal(id, again.Result);
        Assert.Equal(("web01", site.Host(2)), (site.Vm(id).Name, site.Vm(id).Host));
    }

    [Fact]
    public async Task AMendedMachineThatIsRegisteredAgainTakesThePlaceOfTheInvalidOne()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        await site.SucceedAsync(new UnregisterVm { Target = id });
        var whole = site.Files.Find("web01/web01.vmx")!;
        var register = new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "web01/web01.vmx", Location = site.Host(2) };
        site.Files.Write("web01/web01.vmx", new ConfigFile(null, "it is binary"), "spoiling it");
        var invalid = await site.SucceedAsync(register);
        Assert.NotNull(site.Vm(invalid.Result!.Value).InvalidReason);

        // Still broken: registering it again is no error, and changes nothing.
        Assert.Equal(invalid.Result, (await site.SucceedAsync(register)).Result);
        site.Files.Write("web01/web01.vmx", whole, "mending it");
        var mended = await site.SucceedAsync(register);

        Assert.Equal(id, mended.Result);
        var vm = Assert.Single(site.Now.OfType<VirtualMachine>());
        Assert.Equal(("web01", site.Host(2), null), (vm.Name, vm.Host, vm.InvalidReason));
        await site.FailAsync<ObjectInUse>(register);
    }
}
