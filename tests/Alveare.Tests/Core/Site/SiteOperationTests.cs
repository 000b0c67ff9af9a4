using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Security;
using Alveare.Tests.Core.Hosts;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Site;

public sealed class SiteOperationTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("a\nb")]
    [InlineData("..")]
    [InlineData(" a")]
    public void ANameThatBreaksAPathIsRefused(string name) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler);
        var fault = await site.RefusedAsync<InvalidName>(new CreateFolder { Target = site.Datacenter, Name = name });
        Assert.Equal(name, fault.Name);
    });

    [Fact]
    public void ANameOf300CharactersIsRefusedAndOneInAnyScriptIsNot() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler);
        var fault = await site.RefusedAsync<InvalidName>(new CreateFolder { Target = site.Datacenter, Name = new string('x', 300) });
        Assert.Contains("300 characters", fault.Message);
        var folder = await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "Büro 東京 🐝" });
        Assert.Equal("/dc/Büro 東京 🐝", site.Now.PathOf(folder!.Value));
    });

    [Fact]
    public void NamesAreUniquePerPlaceAndKind() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler);
        var folder = await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "a" });
        await site.RefusedAsync<DuplicateName>(new CreateFolder { Target = site.Datacenter, Name = "a" });
        await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "a", Folder = folder });
        await site.DoAsync(new CreateCluster { Target = site.Datacenter, Name = "a" });
        await site.RefusedAsync<DuplicateName>(new CreateDatacenter { Target = EntityId.Root, Name = "dc" });
    });

    [Fact]
    public void OnlyEmptyContainersAreRemoved() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler);
        var outer = (await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "outer" }))!.Value;
        var inner = (await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "inner", Folder = outer }))!.Value;
        Assert.Contains("1 objects", (await site.RefusedAsync<InvalidState>(new RemoveContainer { Target = EntityId.Root, Object = outer })).Message);
        await site.DoAsync(new RemoveContainer { Target = EntityId.Root, Object = inner });
        await site.DoAsync(new RemoveContainer { Target = EntityId.Root, Object = outer });
        Assert.Null(site.Now.Find(outer));
        await site.RefusedAsync<NotFound>(new RemoveContainer { Target = EntityId.Root, Object = outer });
    });

    [Fact]
    public void MovesStayInTheTree() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        host.Put(TestHost.Machine(1, PowerState.On));
        await using var site = await TestSite.WithAsync(scheduler, host);
        var vm = TestHost.Machine(1, PowerState.On).Id;
        var outer = (await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "outer" }))!.Value;
        var inner = (await site.DoAsync(new CreateFolder { Target = site.Datacenter, Name = "inner", Folder = outer }))!.Value;
        var cluster = (await site.DoAsync(new CreateCluster { Target = site.Datacenter, Name = "c" }))!.Value;
        var other = (await site.DoAsync(new CreateDatacenter { Target = EntityId.Root, Name = "dc2" }))!.Value;

        await site.DoAsync(new Move { Target = EntityId.Root, Object = vm, Into = inner });
        Assert.Equal("/dc/outer/inner/vm1", site.Now.PathOf(vm));
        await site.DoAsync(new Move { Target = EntityId.Root, Object = host.Id, Into = cluster });
        await site.RefusedAsync<InvalidArgument>(new Move { Target = EntityId.Root, Object = outer, Into = inner });
        await site.RefusedAsync<InvalidArgument>(new Move { Target = EntityId.Root, Object = outer, Into = outer });
        await site.RefusedAsync<InvalidArgument>(new Move { Target = EntityId.Root, Object = vm, Into = cluster });
        await site.RefusedAsync<InvalidArgument>(new Move { Target = EntityId.Root, Object = vm, Into = other });
        await site.RefusedAsync<InvalidArgument>(new Move { Target = EntityId.Root, Object = cluster, Into = other });

        // What its host says next does not move it back.
        host.Put(TestHost.Machine(1, PowerState.Paused));
        await site.UntilAsync(_ => site.Machine(vm).Power == PowerState.Paused);
        Assert.Equal(inner, site.Machine(vm).Parent);
    });

    [Fact]
    public void AMachineIsCalledWhatItsFilesAreChangedToSay() => VirtualRun.Of(async scheduler =>
    {
        static HostMachine Named(int number, string name)
        {
            var machine = TestHost.Machine(number, PowerState.Off);
            return machine with { Spec = machine.Spec! with { Name = name } };
        }

        var host = new TestHost(1);
        host.Put(Named(1, "web"));
        host.Put(Named(2, "web"));
        await using var site = await TestSite.WithAsync(scheduler, host);
        var (first, second) = (Named(1, "").Id, Named(2, "").Id);
        Assert.Equal(("web", "web (2)"), (site.Machine(first).Name, site.Machine(second).Name));
        host.Put(Named(2, "web") with { Power = PowerState.On });
        await site.UntilAsync(_ => site.Machine(second).Power == PowerState.On);
        Assert.Equal("web (2)", site.Machine(second).Name);

        host.Put(Named(1, "shop"));
        Assert.Contains("'web' is called 'shop'", await site.EventAsync("vm.renamed"));
        Assert.Equal("shop", site.Machine(first).Name);
        host.Put(Named(2, "shop"));
        await site.UntilAsync(_ => site.Machine(second).Name == "shop (2)");
        host.Put(Named(1, "web") with { LockEpoch = 0 });
        await site.UntilAsync(_ => site.Machine(first).LockEpoch == 0);
        Assert.Equal("shop", site.Machine(first).Name);
        await site.RefusedAsync<InvalidArgument>(new Rename { Target = EntityId.Root, Object = EntityId.Root, Name = "x" });
    });

    [Fact]
    public void UsersComeChangeAndGo() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler);
        await site.DoAsync(new CreateUser { Target = EntityId.Root, User = "anna", Password = "long enough", Role = Role.Administrator });
        var login = await site.Engine.Sessions.LoginAsync("anna", "long enough", "here");
        await site.RefusedAsync<DuplicateName>(new CreateUser { Target = EntityId.Root, User = "anna", Password = "long enough", Role = Role.Operator });
        await site.RefusedAsync<InvalidArgument>(new UpdateUser { Target = EntityId.Root, User = "anna" });
        await site.RefusedAsync<InvalidState>(new UpdateUser { Target = EntityId.Root, User = "anna", Role = Role.ReadOnly });

        await site.DoAsync(new UpdateUser { Target = EntityId.Root, User = "anna", Password = "another one" });
        Assert.IsType<NotAuthenticated>(Assert.Throws<FaultException>(() => site.Engine.Sessions.Authenticate(login.Token)).Fault);
        await site.RefusedAsync<InvalidState>(new RemoveUser { Target = EntityId.Root, User = "anna" });
        await site.DoAsync(new CreateUser { Target = EntityId.Root, User = "rita", Password = "long enough", Role = Role.ReadOnly });
        await site.DoAsync(new RemoveUser { Target = EntityId.Root, User = "rita" });
        Assert.Contains("anna", await site.EventAsync("user.changed"));
    });
}
