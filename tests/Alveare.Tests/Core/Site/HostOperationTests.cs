using Alveare.Core.Site;
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

public sealed class HostOperationTests
{
    public static IEnumerable<TheoryDataRow<Fault>> Refusals =>
    [
        new(new HostOwnedByAnotherCenter("h1", "other")),
        new(new HostIdentityChanged("h1", "AA", "BB")),
        new(new HostJoinRefused("h1", "wrong password")),
        new(new HostNotConnected("h1", "nobody listens")),
    ];

    [Theory]
    [MemberData(nameof(Refusals))]
    public void WhatRefusesToJoinIsSaidAsItIs(Fault refusal) => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler);
        site.Hosts[host.Name] = host;
        site.Refusal = refusal;
        var task = await site.EndAsync(site.Joining(host));
        Assert.Equal(refusal, task.Fault);
        Assert.Empty(site.Now.OfType<Host>());
        Assert.Empty(site.Released);
    });

    [Fact]
    public void AHostWithAnotherCertificateIsAnAlarmAndIsNotWaitedFor() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        host.GoAway();
        await site.EventAsync("host.lost");
        host.GoAway(new HostIdentityChanged(host.Name, "AA", "BB"));
        Assert.Contains("fingerprint BB, expected AA", await site.EventAsync("host.identity-changed"), StringComparison.Ordinal);
        Assert.Equal(HostConnection.Untrusted, site.Host(host).Connection);
        Assert.Contains("fingerprint BB", site.Host(host).Problem, StringComparison.Ordinal);

        await site.DoAsync(new DisconnectHost { Target = host.Id });
        var asked = TimeProvider.System.GetTimestamp();
        await site.RefusedAsync<HostIdentityChanged>(new ReconnectHost { Target = host.Id });
        Assert.True(TimeProvider.System.GetElapsedTime(asked) < HostOperations.FirstContact / 2);
        host.ComeBack();
        await site.UntilAsync(_ => site.Host(host).Connection == HostConnection.Connected);
    });

    [Fact]
    public void AHostIsJoinedOnce() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        await site.RefusedAsync<InvalidState>(site.Joining(host));

        site.Hosts["by-another-address"] = host;
        await site.RefusedAsync<InvalidState>(site.Joining(host) with { Address = "by-another-address" });
        Assert.Empty(site.Released);
        Assert.Equal(HostConnection.Connected, site.Host(host).Connection);
    });

    [Theory]
    [InlineData(null)]
    [InlineData("h1")]
    public void OfTwoJoinsOfAHostAtOnceTheOneThatIsRefusedDoesNotReleaseIt(string? name) => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler);
        site.Hosts[host.Name] = host;
        var claimed = new TaskCompletionSource();
        site.Claiming = claimed.Task;
        var joins = Task.WhenAll(site.EndAsync(site.Joining(host, name)), site.EndAsync(site.Joining(host, name)));
        await site.UntilAsync(_ => site.Engine.Tasks.List().Count(t => t is { HasEnded: false, Step: "Claiming the host" }) == 2);
        claimed.SetResult();
        var ended = await joins;
        Assert.Equal(TaskState.Succeeded, Assert.Single(ended, t => t.Fault is null).State);
        Assert.Contains("joined already", Assert.IsType<InvalidState>(Assert.Single(ended, t => t.Fault is not null).Fault).Message, StringComparison.Ordinal);
        Assert.Empty(site.Released);
        Assert.Equal(("h1", HostConnection.Connected), (site.Host(host).Name, site.Host(host).Connection));
    });

    [Fact]
    public void ANameThatIsTakenIsRefusedBeforeTheHostIsClaimed() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await TestSite.WithAsync(scheduler, new TestHost(1));
        var second = new TestHost(2);
        site.Hosts[second.Name] = second;
        site.Refusal = new InternalError("must not be asked");
        await site.RefusedAsync<DuplicateName>(site.Joining(second, "h1"));
        await site.RefusedAsync<InvalidName>(site.Joining(second, "a/b"));
    });

    [Fact]
    public void AHostThatIsClaimedAndCannotBeWatchedIsGivenBack() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler);
        site.Hosts[host.Name] = host;
        host.GoAway("a firewall is in between");
        var joining = await site.Engine.Tasks.SubmitAsync(Alveare.Core.Security.Session.System, site.Joining(host));
        await site.UntilAsync(now => now.Find(host.Id) is Host { Connection: HostConnection.NotResponding });
        site.Engine.Tasks.Cancel(Alveare.Core.Security.Session.System, joining.Id);
        await site.Engine.Tasks.WaitAsync(joining.Id, TestContext.Current.CancellationToken);
        Assert.Null(site.Now.Find(host.Id));
        Assert.Equal([host.Id], site.Released);
    });

    [Fact]
    public void AHostWhoseMachinesRunWithMoreThanTheBaselineDoesNotJoin() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        host.Put(TestHost.Machine(1, PowerState.On) with { CpuModel = "x86-64-v3" });
        await using var site = await TestSite.WithAsync(scheduler);
        site.Hosts[host.Name] = host;
        var cluster = (await site.DoAsync(new CreateCluster { Target = site.Datacenter, Name = "prod" }))!.Value;
        await site.DoAsync(new SetCpuBaseline { Target = cluster, Baseline = "x86-64-v1" });
        Assert.Equal(["vm1"], (await site.RefusedAsync<MachinesAboveBaseline>(site.Joining(host) with { Cluster = cluster })).Machines);
        Assert.Equal([host.Id], site.Released);
        Assert.Null(site.Now.Find(host.Id));
    });

    [Fact]
    public void ADisconnectedHostIsLeftAloneUntilItIsReconnected() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);

        await site.DoAsync(new DisconnectHost { Target = host.Id });
        host.Put(machine with { Power = PowerState.On, LockEpoch = 2 });
        Assert.Equal((HostConnection.Disconnected, true), (site.Host(host).Connection, site.Machine(machine.Id).IsStale));
        await site.RefusedAsync<InvalidState>(new DisconnectHost { Target = host.Id });

        // Also across a restart.
        await site.Engine.DisposeAsync();
        await site.StartAsync();
        Assert.Equal(HostConnection.Disconnected, site.Host(host).Connection);

        await site.DoAsync(new ReconnectHost { Target = host.Id });
        Assert.Equal((PowerState.On, false), (site.Machine(machine.Id).Power, site.Machine(machine.Id).IsStale));
        await site.RefusedAsync<InvalidState>(new ReconnectHost { Target = host.Id });
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AHostThatAMachineIsOnItsWayToStays(bool isMoving)
    {
        await using var site = await MachineSite.OpenAsync();
        if (isMoving)
            await site.CreateAsync("web01", host: 1, on: true);
        var held = isMoving ? site.Hosts.Hold<PrepareIncoming>() : site.Hosts.Hold<CreateMachine>();
        var coming = await site.SubmitAsync(isMoving ? new MigrateVm { Target = site.Vm("web01").Id, Host = site.Host(2) } : site.Creation("web01") with { Location = site.Host(2) });
        await held.ArrivedAsync();
        Assert.Equal("'h2' is in use by 'web01', which is on its way to it.", (await site.FailAsync<ObjectInUse>(new RemoveHost { Target = site.Host(2) })).Message);
        await site.FailAsync<ObjectInUse>(new DisconnectHost { Target = site.Host(2) });
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(coming)).State);
        Assert.Equal(site.Host(2), site.Vm("web01").Host);
        await site.SucceedAsync(new DisconnectHost { Target = site.Host(2) });
    }

    [Fact]
    public void ARemovedHostTakesItsMachinesAndIsReleased() => VirtualRun.Of(async scheduler =>
    {
        var (first, second) = (new TestHost(1), new TestHost(2));
        var (alone, shared) = (TestHost.Machine(1, PowerState.On), TestHost.Machine(2, PowerState.Off));
        first.Put(alone);
        first.Put(shared with { Power = PowerState.On, LockEpoch = 2 });
        // Newer than what the first host says: nobody takes this registration away.
        second.Put(shared with { LockEpoch = 3 });
        await using var site = await TestSite.WithAsync(scheduler, first, second);

        await site.DoAsync(new RemoveHost { Target = first.Id });
        Assert.Null(site.Now.Find(first.Id));
        Assert.Null(site.Now.Find(alone.Id));
        Assert.Equal(second.Id, site.Machine(shared.Id).Host);
        Assert.Equal([first.Id], site.Released);
        await site.JoinAsync(first);
        Assert.Equal(PowerState.On, site.Machine(alone.Id).Power);
    });
}
