using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Rules;

/// <summary>Rules of a cluster: made, refused, and kept by whatever brings a machine to a host.</summary>
public sealed class RuleTests
{
    [Fact]
    public async Task ApartMachinesNeverMeetAtPlacementOrByAMoveByHand()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b"), await site.CreateAsync("c"), await site.CreateAsync("d")];
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, vms[..3]));
        foreach (var vm in vms[..3])
            await site.SucceedAsync(new PowerOn { Target = vm });
        Assert.Equal(3, vms[..3].Select(v => site.Vm(v).Host).Distinct().Count());

        var fault = await site.FailAsync<RuleViolated>(new MigrateVm { Target = vms[0], Host = site.Vm(vms[1]).Host });
        Assert.Contains("rule 'apart'", fault.Rule);
        Assert.Equal("a", fault.Machine);
        await site.FailAsync<NoHostFits>(new MigrateVm { Target = vms[0] });
        // One that no rule speaks of goes anywhere, and a rule that does not count now is in nobody's way.
        await site.SucceedAsync(new PowerOn { Target = vms[3], Host = site.Host(1) });
        await site.SucceedAsync(new EnableRule { Target = site.Cluster, Name = "apart", IsEnabled = false });
        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Vm(vms[1]).Host });
    }

    [Fact]
    public async Task TwoThatStartAtOnceAreKeptApart()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b")];
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, vms));
        var held = site.Hosts.Hold<StartMachine>();
        var first = await site.SubmitAsync(new PowerOn { Target = vms[0] });
        await held.ArrivedAsync();
        var second = await site.SubmitAsync(new PowerOn { Target = vms[1] });
        await site.UntilTaskAsync(second, t => t.Step?.Contains("starting", StringComparison.Ordinal) == true, "the second starts too");
        held.Release();
        await site.EndAsync(first);
        await site.EndAsync(second);
        Assert.NotEqual(site.Vm(vms[0]).Host, site.Vm(vms[1]).Host);
    }

    [Fact]
    public async Task AMachineFollowsThoseThatItIsToBeTogetherWith()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a", host: 1), await site.CreateAsync("b", host: 2)];
        await site.SucceedAsync(Rule(site, "pair", ClusterRuleKind.Together, vms));
        await site.SucceedAsync(new PowerOn { Target = vms[0], Host = site.Host(3) });
        await site.SucceedAsync(new PowerOn { Target = vms[1] });
        Assert.Equal(site.Host(3), site.Vm(vms[1]).Host);
        await site.FailAsync<RuleViolated>(new MigrateVm { Target = vms[1], Host = site.Host(1) });
    }

    [Fact]
    public async Task MachinesThatMustBeTogetherMoveTogetherWhenAsked()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(4));
        EntityId[] vms = [await site.CreateAsync("a", on: true), await site.CreateAsync("b", on: true), await site.CreateAsync("c", on: true), await site.CreateAsync("d", on: true)];
        await site.SucceedAsync(Rule(site, "pair", ClusterRuleKind.Together, vms[..2]));
        await site.SucceedAsync(Rule(site, "chain", ClusterRuleKind.Together, vms[1..3]));
        var refused = await site.FailAsync<RuleViolated>(new MigrateVm { Target = vms[0], Host = site.Host(2) });
        Assert.Contains("with its group", refused.Rule);

        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Host(2), WithGroup = true });
        Assert.Equal([site.Host(2), site.Host(2), site.Host(2), site.Host(1)], vms.Select(v => site.Vm(v).Host!.Value));
        // A target has room for all or is none, and nothing has moved then.
        await site.CreateAsync("big", host: 3, on: true, memory: Bytes.FromGib(3));
        await site.FailAsync<InsufficientMemory>(new MigrateVm { Target = vms[0], Host = site.Host(3), WithGroup = true });
        Assert.All(vms[..3], v => Assert.Equal(site.Host(2), site.Vm(v).Host));
        await site.SucceedAsync(new MigrateVm { Target = vms[2], WithGroup = true });
        Assert.All(vms[..3], v => Assert.Equal(site.Host(1), site.Vm(v).Host));
    }

    [Fact]
    public async Task AGroupOfWhichOneCannotMoveStaysWhereItIs()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a", on: true), await site.CreateAsync("b", on: true), await site.CreateAsync("c", on: true)];
        await site.SucceedAsync(Rule(site, "all", ClusterRuleKind.Together, vms));
        await site.SucceedAsync(new PauseVm { Target = vms[2] });
        Assert.Equal("c", (await site.FailAsync<InvalidPowerState>(new MigrateVm { Target = vms[0], WithGroup = true })).Machine);
        Assert.All(vms, v => Assert.Equal((site.Host(1), null), (site.Vm(v).Host, site.Vm(v).BusyTask)));
        await site.SucceedAsync(new ResumeVm { Target = vms[2] });
        await site.SucceedAsync(new MigrateVm { Target = vms[0], WithGroup = true });
        Assert.All(vms, v => Assert.Equal(site.Host(2), site.Vm(v).Host));
    }

    [Fact]
    public async Task MachinesStayOnTheirHostsAndOffOthers()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId licensed = await site.CreateAsync("licensed", host: 3), banned = await site.CreateAsync("banned", host: 1);
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "paid", Vms = [licensed] });
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "first two", Hosts = [site.Host(1), site.Host(2)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "on", Kind = ClusterRuleKind.OnHosts, VmGroup = "paid", HostGroup = "first two" });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "off", Kind = ClusterRuleKind.OffHosts, Vms = [banned], HostGroup = "first two" });
        await site.SucceedAsync(new PowerOn { Target = licensed });
        await site.SucceedAsync(new PowerOn { Target = banned });
        Assert.NotEqual(site.Host(3), site.Vm(licensed).Host);
        Assert.Equal(site.Host(3), site.Vm(banned).Host);
        await site.FailAsync<ObjectInUse>(new RemoveGroup { Target = site.Cluster, Name = "paid" });
        await site.SucceedAsync(new RemoveRule { Target = site.Cluster, Name = "on" });
        await site.SucceedAsync(new RemoveGroup { Target = site.Cluster, Name = "paid" });
    }

    [Fact]
    public async Task ARuleThatShouldHoldPrefersAndDoesNotForbid()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b"), await site.CreateAsync("c")];
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, vms) with { IsPreference = true });
        foreach (var vm in vms)
            await site.SucceedAsync(new PowerOn { Target = vm });
        Assert.Equal(2, vms.Select(v => site.Vm(v).Host).Distinct().Count());
    }

    [Fact]
    public async Task AMoveThatBreaksARuleNoMoreThanItIsBrokenAlreadyIsNobodysBusiness()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true), await site.CreateAsync("b", host: 1, on: true), await site.CreateAsync("c", host: 2, on: true)];
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, vms));
        // It meets another there, as it does here.
        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Host(2) });
        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Host(3) });
        await site.FailAsync<RuleViolated>(new MigrateVm { Target = vms[0], Host = site.Host(2) });
        await site.SucceedAsync(new RemoveRule { Target = site.Cluster, Name = "apart" });
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "third", Hosts = [site.Host(3)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "on", Kind = ClusterRuleKind.OnHosts, Vms = [vms[1]], HostGroup = "third" });
        await site.SucceedAsync(new MigrateVm { Target = vms[1], Host = site.Host(2) });
        // Where nobody names a host it goes where the rule is kept.
        await site.SucceedAsync(new MigrateVm { Target = vms[1] });
        Assert.Equal(site.Host(3), site.Vm(vms[1]).Host);
    }

    [Fact]
    public async Task ARuleThatOnlyShouldPutAStartAfterOthersLetsItHappenAndSaysSo()
    {
        await using var site = await MachineSite.OpenAsync();
        EntityId database = await site.CreateAsync("db"), web = await site.CreateAsync("web");
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "databases", Vms = [database] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "order", Kind = ClusterRuleKind.StartAfter, Vms = [web], AfterGroup = "databases", IsPreference = true });
        await site.SucceedAsync(new PowerOn { Target = web });
        var said = Assert.Single(site.Engine.Events.Since(0), e => e.Kind == "rule.started-early");
        Assert.Contains("'db' by rule 'order'", said.Message);
        await site.SucceedAsync(new PowerOff { Target = web });
        await site.SucceedAsync(new PowerOn { Target = database });
        await site.SucceedAsync(new PowerOn { Target = web });
        Assert.Single(site.Engine.Events.Since(0), e => e.Kind == "rule.started-early");
    }

    [Fact]
    public async Task AMachineStartsAfterThoseThatItsRuleNames()
    {
        await using var site = await MachineSite.OpenAsync();
        EntityId database = await site.CreateAsync("db"), web = await site.CreateAsync("web");
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "databases", Vms = [database] });
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "fronts", Vms = [web] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "order", Kind = ClusterRuleKind.StartAfter, VmGroup = "fronts", AfterGroup = "databases" });
        var cycle = new CreateRule { Target = site.Cluster, Name = "back", Kind = ClusterRuleKind.StartAfter, VmGroup = "databases", AfterGroup = "fronts" };
        Assert.Contains("start after each other", (await site.FailAsync<RuleConflict>(cycle)).Message);
        var fault = await site.FailAsync<StartsAfter>(new PowerOn { Target = web });
        Assert.Equal(["'db'"], fault.Waiting);
        await site.SucceedAsync(new PowerOn { Target = database });
        await site.SucceedAsync(new PowerOn { Target = web });
    }

    [Fact]
    public async Task RulesThatContradictAreRefusedWithBothNames()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b"), await site.CreateAsync("c")];
        await site.SucceedAsync(Rule(site, "pair", ClusterRuleKind.Together, vms[..2]));
        var fault = await site.FailAsync<RuleConflict>(Rule(site, "split", ClusterRuleKind.Apart, vms[..2]));
        Assert.Contains("pair", fault.Message);
        Assert.Contains("split", fault.Message);
        await site.FailAsync<RuleConflict>(Rule(site, "three", ClusterRuleKind.Apart, vms));
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "none", Hosts = [] });
        await site.FailAsync<RuleConflict>(new CreateRule { Target = site.Cluster, Name = "nowhere", Kind = ClusterRuleKind.OnHosts, Vms = [vms[0]], HostGroup = "none" });
        Assert.Equal("pair", Assert.Single(site.Now.Get<Cluster>(site.Cluster).Rules).Name);
        // One that should hold is made all the same, and said.
        await site.SucceedAsync(Rule(site, "three", ClusterRuleKind.Apart, vms) with { IsPreference = true });
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "rule.conflict");
    }

    [Fact]
    public async Task ARuleIsChangedAndWhatIsNotNamedStays()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a", on: true), await site.CreateAsync("b", on: true), await site.CreateAsync("c")];
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, vms[1..]));
        await site.SucceedAsync(Rule(site, "other", ClusterRuleKind.Apart, vms[1..]) with { IsPreference = true });
        await site.SucceedAsync(new SetRule { Target = site.Cluster, Name = "apart", NewName = "split", Vms = [.. vms[..2]], Priority = 80 });
        var rule = site.Now.Get<Cluster>(site.Cluster).Rules[0];
        Assert.Equal(("split", ClusterRuleKind.Apart, 80, true), (rule.Name, rule.Kind, rule.Priority, rule.IsMust));
        Assert.Equal(vms[..2], rule.Vms);
        // It counts as it is now.
        await site.SucceedAsync(new MigrateVm { Target = vms[0] });
        await site.FailAsync<RuleViolated>(new MigrateVm { Target = vms[0], Host = site.Vm(vms[1]).Host });
        await site.SucceedAsync(new SetRule { Target = site.Cluster, Name = "split", IsPreference = true });
        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Vm(vms[1]).Host });
        await site.FailAsync<DuplicateName>(new SetRule { Target = site.Cluster, Name = "split", NewName = "other" });
        await site.FailAsync<InvalidArgument>(new SetRule { Target = site.Cluster, Name = "split", Priority = 101 });
        await site.FailAsync<InvalidArgument>(new SetRule { Target = site.Cluster, Name = "split", Vms = [vms[0]] });
        await site.FailAsync<NotFound>(new SetRule { Target = site.Cluster, Name = "gone", Priority = 1 });
        await site.SucceedAsync(Rule(site, "pair", ClusterRuleKind.Together, vms[..2]));
        await site.FailAsync<RuleConflict>(new SetRule { Target = site.Cluster, Name = "split", IsPreference = false });
    }

    [Fact]
    public async Task WhatMakesNoSenseIsRefusedByName()
    {
        await using var site = await MachineSite.OpenAsync();
        var vm = await site.CreateAsync("a");
        Assert.Equal("Rule 'x': the number of machines is 1, expected 2 or more.", (await site.FailAsync<InvalidArgument>(Rule(site, "x", ClusterRuleKind.Apart, [vm]))).Message);
        Assert.Equal("Rule 'x': what it is over is missing, expected either machines or a group of them.", (await site.FailAsync<InvalidArgument>(Rule(site, "x", ClusterRuleKind.Apart, []))).Message);
        await site.FailAsync<InvalidArgument>(Rule(site, "x", ClusterRuleKind.OnHosts, [vm]));
        await site.FailAsync<NotFound>(Rule(site, "x", ClusterRuleKind.OnHosts, [vm]) with { HostGroup = "missing" });
        await site.FailAsync<NotFound>(Rule(site, "x", ClusterRuleKind.Apart, [vm, EntityId.Vm(Guid.Empty)]));
        await site.FailAsync<InvalidName>(Rule(site, "", ClusterRuleKind.Apart, [vm, vm]));
        await site.FailAsync<NotFound>(new RemoveRule { Target = site.Cluster, Name = "x" });
        await site.FailAsync<NotFound>(new RemoveGroup { Target = site.Cluster, Name = "x" });
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "g", Vms = [vm] });
        await site.FailAsync<DuplicateName>(new SetHostGroup { Target = site.Cluster, Name = "g", Hosts = [site.Host(1)] });
    }

    [Fact]
    public async Task AMachineThatIsGoneIsInNobodysWay()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b")];
        await site.SucceedAsync(Rule(site, "pair", ClusterRuleKind.Together, vms));
        await site.SucceedAsync(new DestroyVm { Target = vms[0] });
        await site.SucceedAsync(new PowerOn { Target = vms[1] });
        await site.SucceedAsync(new MigrateVm { Target = vms[1] });
        Assert.Equal(PowerState.On, site.Vm(vms[1]).Power);
    }

    [Fact]
    public async Task ARuleIsChangedAndOthersAreMadeThoughOneOfItsMachinesIsGone()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b"), await site.CreateAsync("c")];
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, vms));
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "group", Vms = [.. vms] });
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "two", Hosts = [site.Host(1), site.Host(2)] });
        var bound = new CreateRule { Target = site.Cluster, Name = "on", Kind = ClusterRuleKind.OnHosts, VmGroup = "group", HostGroup = "two" };
        await site.FailAsync<RuleConflict>(bound);
        await site.SucceedAsync(new DestroyVm { Target = vms[2] });
        await site.SucceedAsync(new SetRule { Target = site.Cluster, Name = "apart", Priority = 80 });
        await site.FailAsync<NotFound>(new SetRule { Target = site.Cluster, Name = "apart", Vms = [.. vms] });
        await site.SucceedAsync(bound);
    }

    [Fact]
    public async Task NobodyWaitsForAMachineThatHasLeftTheCluster()
    {
        await using var site = await MachineSite.OpenAsync();
        EntityId database = await site.CreateAsync("db", host: 2), web = await site.CreateAsync("web");
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = "databases", Vms = [database] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "order", Kind = ClusterRuleKind.StartAfter, Vms = [web], AfterGroup = "databases" });
        await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(2), Into = site.Datacenter });
        await site.SucceedAsync(new PowerOn { Target = web });
        await site.SucceedAsync(new PowerOff { Target = web });
        await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(2), Into = site.Cluster });
        await site.FailAsync<StartsAfter>(new PowerOn { Target = web });
    }

    [Fact]
    public async Task WhatMakesNoConflictWorseIsLetThroughWhileOneStands()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 5);
        var vms = new List<EntityId>();
        foreach (var name in (string[])["a", "b", "c", "d", "e", "db01", "db02", "db03"])
            vms.Add(await site.CreateAsync(name));
        await site.SucceedAsync(Rule(site, "apart", ClusterRuleKind.Apart, [.. vms[..5]]));
        foreach (var number in (int[])[1, 2, 3])
        {
            await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = $"hosts{number}", Hosts = [site.Host(number), site.Host(5)] });
            await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = $"on{number}", Kind = ClusterRuleKind.OnHosts, Vms = [vms[0]], HostGroup = $"hosts{number}" });
        }

        var licensed = new SetVmGroup { Target = site.Cluster, Name = "licensed", Vms = [.. vms[5..7]] };
        await site.SucceedAsync(licensed);
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "fifth", Hosts = [site.Host(5)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "licence", Kind = ClusterRuleKind.OnHosts, VmGroup = "licensed", HostGroup = "fifth" });
        foreach (var number in (int[])[4, 5])
            await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(number), Into = site.Datacenter });

        await site.SucceedAsync(licensed with { Vms = [vms[5]] });
        await site.FailAsync<RuleConflict>(licensed with { Vms = [vms[5], vms[7]] });
        await site.SucceedAsync(new SetRule { Target = site.Cluster, Name = "licence", NewName = "paid" });
        await site.SucceedAsync(new SetRule { Target = site.Cluster, Name = "apart", Vms = [.. vms[..4]] });
        await site.SucceedAsync(new SetRule { Target = site.Cluster, Name = "on1", IsPreference = true });
        await site.FailAsync<RuleConflict>(new SetRule { Target = site.Cluster, Name = "on1", IsPreference = false });
        await site.SucceedAsync(new EnableRule { Target = site.Cluster, Name = "on2", IsEnabled = false });
        await site.SucceedAsync(new RemoveRule { Target = site.Cluster, Name = "on3" });
    }

    private static CreateRule Rule(MachineSite site, string name, ClusterRuleKind kind, EntityId[] vms) =>
        new() { Target = site.Cluster, Name = name, Kind = kind, Vms = [.. vms] };
}
