using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Tests.Core.Hosts;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Site;

public sealed class OfferTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public void ADatastoreIsMarkedOnceAndOfferedWhereItsMarkIs() => VirtualRun.Of(async scheduler =>
    {
        Dictionary<string, EntityId?> shared = new() { ["/data"] = null };
        var (first, second) = (new TestHost(1) { Directories = shared }, new TestHost(2) { Directories = shared });
        var local = new TestHost(3) { Directories = new() { ["/data"] = null } };
        await using var site = await TestSite.WithAsync(scheduler, first, second, local);

        var id = (await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data/" }))!.Value;

        Assert.Equal((id, (EntityId?)null), (shared["/data"], local.Directories["/data"]));
        await site.UntilAsync(_ => site.Host(first).Datastores.Length == 1 && site.Host(second).Datastores.Length == 1);
        Assert.Contains("not marked", await site.EventAsync("host.offer-refused"));
        await site.UntilAsync(now => now.Get<Datastore>(id).Free == Bytes.FromGib(5));
    });

    [Fact]
    public void ADirectoryThatIsADatastoreAlreadyKeepsItsIdentity() => VirtualRun.Of(async scheduler =>
    {
        var mark = EntityId.Datastore(Guid.Parse("00000000-0000-0000-0000-00000000000a"));
        var host = new TestHost(1) { Directories = new() { ["/data"] = mark } };
        await using var site = await TestSite.WithAsync(scheduler, host);
        Assert.Equal(mark, await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" }));
        var other = (await site.DoAsync(new CreateDatacenter { Target = EntityId.Root, Name = "dc2" }))!.Value;
        await site.RefusedAsync<InvalidState>(new CreateDatastore { Target = other, Name = "store", Path = "/data" });
    });

    [Theory]
    [InlineData("data")]
    [InlineData("/")]
    [InlineData("/data/../etc")]
    [InlineData("/data//x")]
    [InlineData("")]
    public void APathThatIsNoPlainDirectoryIsRefused(string path) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler, new TestHost(1));
        await site.RefusedAsync<InvalidPath>(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = path });
    });

    [Fact]
    public void ADatastoreThatNoHostHasIsRefusedAndLeavesNothing() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        await site.RefusedAsync<DatastoreNotAccessible>(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" });
        Assert.Empty(site.Now.OfType<Datastore>());
    });

    [Fact]
    public void AHostIsOfferedAtItsReturnWhatWasMadeAndRemovedMeanwhile() => VirtualRun.Of(async scheduler =>
    {
        Dictionary<string, EntityId?> shared = new() { ["/a"] = null, ["/b"] = null };
        var (here, away) = (new TestHost(1) { Directories = shared }, new TestHost(2) { Directories = shared });
        await using var site = await TestSite.WithAsync(scheduler, here, away);
        var a = (await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "a", Path = "/a" }))!.Value;
        await site.UntilAsync(_ => site.Host(away).Datastores.Length == 1);
        away.GoAway();
        await site.UntilAsync(_ => site.Host(away).Connection == HostConnection.NotResponding);

        await site.DoAsync(new RemoveDatastore { Target = a });
        var b = (await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "b", Path = "/b" }))!.Value;
        var net = (await site.DoAsync(new CreatePortGroup { Target = site.Datacenter, Name = "net" }))!.Value;
        away.ComeBack();

        await site.UntilAsync(_ => site.Host(away) is { Datastores: [var only], PortGroups: ["net"] } && only.Id == b);
        Assert.Equal(net, Assert.Single(away.PortGroups).Id);
    });

    [Fact]
    public void StorageThatIsMountedLateIsOfferedWithoutAnybodyAsking() => VirtualRun.Of(async scheduler =>
    {
        Dictionary<string, EntityId?> shared = new() { ["/data"] = null };
        var (early, late) = (new TestHost(1) { Directories = shared }, new TestHost(2));
        await using var site = await TestSite.WithAsync(scheduler, early, late);
        var id = (await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" }))!.Value;
        await site.EventAsync("host.offer-refused");
        late.Directories["/data"] = id;
        await site.UntilAsync(_ => site.Host(late).Datastores is [{ Id: var there }] && there == id);
        await site.EventAsync("host.offer-taken");
        Assert.Single(site.Engine.Events.Since(0), e => e.Kind == "host.offer-refused");
    });

    [Fact]
    public void ADatastoreOfAJoinedHostWithMachinesOnItIsTakenOver() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1) { Directories = new() { ["/data"] = null } };
        await using var before = await TestSite.WithAsync(scheduler, host);
        var id = (await before.DoAsync(new CreateDatastore { Target = before.Datacenter, Name = "store", Path = "/data" }))!.Value;
        var machine = TestHost.Machine(1, PowerState.On);
        host.Put(machine with { Config = machine.Config with { Datastore = id } });

        await using var site = await TestSite.WithAsync(scheduler, host);
        Assert.Equal(("store", "/data"), (site.Now.Get<Datastore>(id).Name, site.Now.Get<Datastore>(id).Path));
        Assert.DoesNotContain(host.Commands, c => c is UnmountDatastore);
        Assert.Contains("vm1", (await site.RefusedAsync<ObjectInUse>(new RemoveDatastore { Target = id })).Message);
    });

    [Fact]
    public void PortGroupsGetNetworksOfTheirOwn() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var first = (await site.DoAsync(new CreatePortGroup { Target = site.Datacenter, Name = "a" }))!.Value;
        await site.DoAsync(new CreatePortGroup { Target = site.Datacenter, Name = "b" });
        Assert.Equal([100, 101], host.PortGroups.Select(p => p.Vni).Order());
        await site.RefusedAsync<DuplicateName>(new CreatePortGroup { Target = site.Datacenter, Name = "a" });
        await site.RefusedAsync<InvalidArgument>(new CreatePortGroup { Target = site.Datacenter, Name = "c", Vni = 100 });
        await site.RefusedAsync<InvalidArgument>(new CreatePortGroup { Target = site.Datacenter, Name = "c", Vni = 0 });

        await site.DoAsync(new Rename { Target = EntityId.Root, Object = first, Name = "z" });
        Assert.Equal(["b", "z"], host.PortGroups.Select(p => p.Name).Order());
        await site.DoAsync(new RemovePortGroup { Target = first });
        Assert.Equal(["b"], host.PortGroups.Select(p => p.Name));
    });

    [Fact]
    public void APortGroupThatAMachineNamesStaysAsItIs() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off);
        host.Put(machine with { Spec = machine.Spec! with { Nics = [new NicSpec("52:54:00:00:00:01", "net")] } });
        await using var site = await TestSite.WithAsync(scheduler, host);
        var id = (await site.DoAsync(new CreatePortGroup { Target = site.Datacenter, Name = "net" }))!.Value;
        Assert.Contains("vm1", (await site.RefusedAsync<ObjectInUse>(new RemovePortGroup { Target = id })).Message);
        await site.RefusedAsync<ObjectInUse>(new Rename { Target = EntityId.Root, Object = id, Name = "other" });
    });

    [Theory]
    [InlineData("datastore")]
    [InlineData("port group")]
    [InlineData("removal")]
    [InlineData("host")]
    public void WhatATaskMadeHostsOfferIsInTheirRecordsWhenItEnds(string what) => VirtualRun.Of(async scheduler =>
    {
        Dictionary<string, EntityId?> shared = new() { ["/a"] = null, ["/b"] = null };
        var (host, late) = (new TestHost(1) { Directories = shared }, new TestHost(2) { Directories = shared });
        await using var site = await TestSite.WithAsync(scheduler, host);
        var a = (await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "a", Path = "/a" }))!.Value;
        await site.DoAsync(new CreatePortGroup { Target = site.Datacenter, Name = "net" });
        site.Hosts[late.Name] = late;
        (host.IsSilent, late.IsSilent) = (true, true);

        var task = await site.Engine.Tasks.SubmitAsync(Session.System, what switch
        {
            "datastore" => new CreateDatastore { Target = site.Datacenter, Name = "b", Path = "/b" },
            "port group" => new CreatePortGroup { Target = site.Datacenter, Name = "other" },
            "removal" => new RemoveDatastore { Target = a },
            _ => site.Joining(late),
        });
        await Task.Delay(TimeSpan.FromSeconds(5), scheduler.Time);
        Assert.False(site.Engine.Tasks.Get(task.Id).HasEnded);
        host.Speak();
        late.Speak();

        Assert.Equal(TaskState.Succeeded, (await site.Engine.Tasks.WaitAsync(task.Id, Soon)).State);
        var (datastores, portGroups) = (string.Join(' ', site.Host(host).Datastores.Select(d => d.Name)), string.Join(' ', site.Host(host).PortGroups));
        Assert.Equal(what switch { "datastore" => "a b", "removal" => "", _ => "a" }, datastores);
        Assert.Equal(what == "port group" ? "net other" : "net", portGroups);
        if (what == "host")
            Assert.Equal(("a", "net"), (Assert.Single(site.Host(late).Datastores).Name, Assert.Single(site.Host(late).PortGroups)));
    });

    [Fact]
    public void WhatNoHostReportsFailsAndIsTakenBack() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1) { Directories = new() { ["/data"] = null } };
        await using var site = await TestSite.WithAsync(scheduler, host);
        host.IsSilent = true;

        var storage = await site.RefusedAsync<HostAnswerInvalid>(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" });
        Assert.Contains("datastore 'store', and its report has not followed within 30 s", storage.Message);
        await site.RefusedAsync<HostAnswerInvalid>(new CreatePortGroup { Target = site.Datacenter, Name = "net" });
        Assert.Empty(site.Now.OfType<Datastore>());
        Assert.Empty(site.Now.OfType<PortGroup>());
        Assert.Contains(host.Commands, c => c is UnmountDatastore);
        Assert.Empty(host.PortGroups);
    });

    [Fact]
    public void AHostThatReportsNothingFailsNoTaskWhereOthersDo() => VirtualRun.Of(async scheduler =>
    {
        Dictionary<string, EntityId?> shared = new() { ["/data"] = null };
        var (silent, other) = (new TestHost(1) { Directories = shared }, new TestHost(2) { Directories = shared });
        await using var site = await TestSite.WithAsync(scheduler, silent, other);
        silent.IsSilent = true;

        await site.DoAsync(new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" });
        Assert.Contains("'h1'", await site.EventAsync("host.offer-refused"));
        Assert.Equal((0, 1), (site.Host(silent).Datastores.Length, site.Host(other).Datastores.Length));
        silent.Speak();
        await site.EventAsync("host.offer-taken");
    });

    [Fact]
    public void NobodyWaitsForTheReportOfAHostThatIsLost() => VirtualRun.Of(async scheduler =>
    {
        Dictionary<string, EntityId?> shared = new() { ["/data"] = null };
        var (lost, other) = (new TestHost(1) { Directories = shared }, new TestHost(2) { Directories = shared });
        await using var site = await TestSite.WithAsync(scheduler, lost, other);
        lost.IsSilent = true;
        var began = scheduler.Time.GetTimestamp();

        var task = await site.Engine.Tasks.SubmitAsync(Session.System, new CreateDatastore { Target = site.Datacenter, Name = "store", Path = "/data" });
        await site.UntilAsync(_ => site.Host(other).Datastores.Length == 1);
        lost.GoAway();
        Assert.Equal(TaskState.Succeeded, (await site.Engine.Tasks.WaitAsync(task.Id, Soon)).State);
        Assert.True(scheduler.Time.GetElapsedTime(began) < TimeSpan.FromSeconds(1));
        lost.ComeBack();
        await site.UntilAsync(_ => site.Host(lost).Datastores.Length == 1);
    });
}
