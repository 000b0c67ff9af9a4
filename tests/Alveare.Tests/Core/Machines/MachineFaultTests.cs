using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>What is asked wrongly of machines: each a fault of its own, and nothing left behind.</summary>
public sealed class MachineFaultTests
{
    public static readonly TheoryData<string> BadNames = ["", "a/b", "a\\b", "line\nbreak", ".", "..", " web", new string('x', 81), new string('x', 300)];

    [Theory]
    [MemberData(nameof(BadNames))]
    public async Task ABadNameIsRefused(string name)
    {
        await using var site = await MachineSite.OpenAsync();
        await site.FailAsync<InvalidName>(site.Creation(name));
        var id = await site.CreateAsync("web01");
        await site.FailAsync<InvalidName>(new CloneVm { Target = id, Name = name });
        Assert.Single(site.Now.OfType<VirtualMachine>());
    }

    [Theory]
    [InlineData("Büro-Server", "Büro-Server")]
    [InlineData("数据库", "数据库")]
    [InlineData("..etc", "etc")]
    [InlineData("-o ro,x=y", "o-ro-x-y")]
    [InlineData("*", "vm")]
    public async Task ANameInAnyScriptGivesASafeDirectory(string name, string directory)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync(name);
        Assert.Equal((name, $"{directory}/{directory}.vmx"), (site.Vm(id).Name, site.Vm(id).Config.Path));
    }

    [Fact]
    public async Task WhatIsNoPublicKeyIsNotPutIntoAGuest()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("golden");
        var refused = await site.FailAsync<InvalidArgument>(new CloneVm { Target = id, Name = "web01", Customization = new GuestCustomization { SshKeys = ["hello"] } });
        Assert.Contains("an SSH key is 'hello', expected an OpenSSH public key", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatIsMarkedAlreadySaysSo()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("golden");
        Assert.Contains("'golden' is a virtual machine already", (await site.FailAsync<InvalidState>(new MarkVm { Target = id })).Message, StringComparison.Ordinal);
        await site.SucceedAsync(new MarkTemplate { Target = id });
        await site.FailAsync<InvalidState>(new MarkTemplate { Target = id });
        await site.SucceedAsync(new MarkVm { Target = id });
    }

    [Fact]
    public async Task ANameThatIsTakenIsRefused()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.FailAsync<DuplicateName>(site.Creation("web01"));
        await site.FailAsync<DuplicateName>(new CloneVm { Target = id, Name = "web01" });
    }

    [Fact]
    public async Task OfTwoThatTakeOneNameAtOnceOneIsRefused()
    {
        await using var site = await MachineSite.OpenAsync();
        var held = site.Hosts.Hold<CreateMachine>();
        var first = await site.SubmitAsync(site.Creation("web01"));
        await held.ArrivedAsync();
        await site.FailAsync<DuplicateName>(site.Creation("web01"));
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(first)).State);
    }

    [Theory]
    [InlineData(0, 512)]
    [InlineData(-1, 512)]
    [InlineData(257, 512)]
    [InlineData(1, 0)]
    [InlineData(1, -512)]
    [InlineData(1, 15)]
    [InlineData(1, 8_000_000)]
    public async Task CpusAndMemoryAreHeldToTheirLimits(int cpus, long mib)
    {
        await using var site = await MachineSite.OpenAsync();
        await site.FailAsync<InvalidArgument>(site.Creation("web01") with { Cpus = cpus, Memory = Bytes.FromMib(mib) });
        var id = await site.CreateAsync("web02");
        await site.FailAsync<InvalidArgument>(new ReconfigureVm { Target = id, Cpus = cpus, Memory = Bytes.FromMib(mib) });
        await site.FailAsync<InvalidArgument>(new CloneVm { Target = id, Name = "web03", Cpus = cpus, Memory = Bytes.FromMib(mib) });
        Assert.Equal(["web02"], site.Now.OfType<VirtualMachine>().Select(v => v.Name));
    }

    [Fact]
    public async Task DisksAndCardsAreHeldToTheirLimits()
    {
        await using var site = await MachineSite.OpenAsync();
        var creation = site.Creation("web01");
        await site.FailAsync<InvalidArgument>(creation with { Disks = [Bytes.Zero] });
        await site.FailAsync<InvalidArgument>(creation with { Disks = [Bytes.FromGib(1_000_000)] });
        await site.FailAsync<InvalidArgument>(creation with { Disks = [new Bytes(10_000_001)] });
        await site.FailAsync<InvalidArgument>(creation with { Disks = [.. Enumerable.Repeat(Bytes.FromGib(1), 17)] });
        await site.FailAsync<InvalidArgument>(creation with { PortGroups = [.. Enumerable.Repeat(MachineSite.PortGroup, 11)] });
        await site.FailAsync<NotFound>(creation with { PortGroups = ["green"] });
        Assert.Empty(site.Now.OfType<VirtualMachine>());
    }

    [Fact]
    public async Task WhatDoesNotExistIsNamed()
    {
        await using var site = await MachineSite.OpenAsync();
        var nothing = Guid.Parse("00000000-0000-0000-0000-00000000dead");
        var creation = site.Creation("web01");
        await site.FailAsync<NotFound>(creation with { Datastore = EntityId.Datastore(nothing) });
        await site.FailAsync<NotFound>(creation with { Folder = new EntityId(EntityKind.Folder, nothing) });
        await site.FailAsync<NotFound>(creation with { Location = EntityId.Host(nothing) });
        await site.FailAsync<InvalidArgument>(creation with { Location = site.Datastore });
        await site.FailAsync<NotFound>(new PowerOn { Target = EntityId.Vm(nothing) });
        var id = await site.CreateAsync("web02");
        await site.FailAsync<NotFound>(new PowerOn { Target = id, Host = EntityId.Host(nothing) });
        await site.FailAsync<NotFound>(new MigrateVm { Target = id, Host = EntityId.Host(nothing) });
    }

    [Theory]
    [InlineData("../other/x.vmx")]
    [InlineData("/etc/x.vmx")]
    [InlineData("web01/../../x.vmx")]
    [InlineData("web01/disk.qcow2")]
    [InlineData(".vmx")]
    [InlineData("web01/.vmx")]
    [InlineData("")]
    public async Task APathThatCannotBeAMachineIsRefused(string path)
    {
        await using var site = await MachineSite.OpenAsync();
        await site.FailAsync<InvalidPath>(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = path });
    }

    [Fact]
    public async Task FilesAreRegisteredOnce()
    {
        await using var site = await MachineSite.OpenAsync();
        var registration = new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "web01/web01.vmx" };
        await site.FailAsync<FileNotFoundFault>(registration);
        await site.CreateAsync("web01");
        await site.FailAsync<ObjectInUse>(registration);
    }

    [Fact]
    public async Task ACopyOfAMachineIsNotRegisteredBesideIt()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var original = site.Vm(id);
        site.Files.Write("copy/copy.vmx", site.Files.Find("web01/web01.vmx")!, "copying");
        await site.FailAsync<InvalidMachine>(new RegisterVm
        {
            Target = site.Datacenter, Datastore = site.Datastore, Path = "copy/copy.vmx", Location = site.Host(2),
        });
        Assert.Equal((original.Config, original.Host), (site.Vm(id).Config, site.Vm(id).Host));
        Assert.Null(await site.OnHostAsync(2, id));
    }

    [Fact]
    public async Task ATemplateIsNotPoweredOnWithItsCloning()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        await site.FailAsync<InvalidArgument>(new CloneVm { Target = id, Name = "web02", AsTemplate = true, PowerOn = true });
    }

    [Fact]
    public async Task FilesThatAreThereAlreadyAreLeftAlone()
    {
        await using var site = await MachineSite.OpenAsync();
        var first = await site.CreateAsync("web01");
        await site.SucceedAsync(new UnregisterVm { Target = first });
        var second = await site.CreateAsync("web01");
        Assert.StartsWith("web01-", site.Vm(second).Config.Directory, StringComparison.Ordinal);
        Assert.NotNull(site.Files.Find("web01/web01.vmx"));
    }

    [Fact]
    public async Task MachinesWhoseNamesGiveOneDirectoryGetOneEach()
    {
        await using var site = await MachineSite.OpenAsync();
        var first = site.Vm(await site.CreateAsync("web 01"));
        var second = site.Vm(await site.CreateAsync("WEB-01"));
        Assert.NotEqual(first.Config.Directory, second.Config.Directory, StringComparer.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task WhatAHostRefusesLeavesNothingInTheInventory()
    {
        await using var site = await MachineSite.OpenAsync();
        site.Hosts.Refuse<CreateMachine>(new DatastoreFull("shared", "creating the disk"));
        await site.FailAsync<DatastoreFull>(site.Creation("web01"));
        Assert.Empty(site.Now.OfType<VirtualMachine>());
        await site.CreateAsync("web01");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(100_000)]
    public async Task AShutdownNeedsASensibleTimeout(int seconds)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        await site.FailAsync<InvalidArgument>(new ShutdownGuest { Target = id, Timeout = TimeSpan.FromSeconds(seconds) });
    }

    [Fact]
    public async Task AGuestThatDoesNotShutDownRunsOn()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        site.Hosts.On<ShutDownGuest>(_ => Task.FromResult<HostReply>(Done.Instance));
        await site.FailAsync<GuestNotReachable>(new ShutdownGuest { Target = id, Timeout = TimeSpan.FromMilliseconds(100) });
        Assert.Equal(PowerState.On, site.Vm(id).Power);
    }

    [Fact]
    public async Task WaitingForAGuestCanBeCancelled()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        site.Hosts.On<ShutDownGuest>(_ => Task.FromResult<HostReply>(Done.Instance));
        var task = await site.SubmitAsync(new ShutdownGuest { Target = id });
        await site.UntilTaskAsync(task, t => t.Step == "waiting for the guest to shut down", "the guest was asked");
        site.Cancel(task);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(task)).State);
        Assert.Equal((PowerState.On, (string?)null), (site.Vm(id).Power, site.Vm(id).BusyTask));
    }

    [Fact]
    public async Task ACancelledCloneLeavesNothing()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01");
        var files = site.Files.Files.Count();
        var held = site.Hosts.Hold<CloneMachine>();
        var task = await site.SubmitAsync(new CloneVm { Target = id, Name = "web02" });
        await held.ArrivedAsync();
        site.Cancel(task);
        held.Release();
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(task)).State);
        await site.UntilAsync(now => now.OfType<VirtualMachine>().Count() == 1, "only the source is left");
        await site.SucceedAsync(new CloneVm { Target = id, Name = "web02" });
        Assert.Equal(2 * files, site.Files.Files.Count());
    }
}
