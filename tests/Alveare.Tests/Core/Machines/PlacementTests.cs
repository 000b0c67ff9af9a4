using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>Which host a machine gets, and what it is told when it gets none.</summary>
public sealed class PlacementTests
{
    private static readonly Bytes Gib = Bytes.FromGib(1);

    [Fact]
    public async Task TwoThatStartAtOnceDoNotBothTakeTheLastMemory()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 1, memory: Gib);
        var first = await site.CreateAsync("web01", memory: Bytes.FromMib(600));
        var second = await site.CreateAsync("web02", memory: Bytes.FromMib(600));
        var held = site.Hosts.Hold<StartMachine>();
        var starting = await site.SubmitAsync(new PowerOn { Target = first });
        await held.ArrivedAsync();

        var fault = await site.FailAsync<NoHostFits>(new PowerOn { Target = second });
        Assert.Contains("424 MiB", Assert.Single(fault.Refusals).Reason, StringComparison.Ordinal);
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(starting)).State);

        await site.SucceedAsync(new PowerOff { Target = first });
        await site.SucceedAsync(new PowerOn { Target = second });
    }

    [Theory]
    [InlineData(BalanceMode.Manual, 400, true)]
    [InlineData(BalanceMode.Partial, 400, false)]
    [InlineData(BalanceMode.Full, 400, false)]
    [InlineData(BalanceMode.Partial, 100, true)]
    public async Task AMachineStartsWhereItIsRegisteredAsLongAsItFitsAndAutomaticPlacementFindsNothingMuchBetter(BalanceMode mode, int busyMib, bool stays)
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Gib);
        await site.SucceedAsync(new SetBalancing { Target = site.Cluster, Mode = mode });
        var idle = await site.CreateAsync("web01", host: 1, memory: Bytes.FromMib(512));
        var busy = await site.CreateAsync("web02", host: 1, memory: Bytes.FromMib(busyMib), on: true);
        var started = await site.SucceedAsync(new PowerOn { Target = idle });
        Assert.Equal(site.Host(stays ? 1 : 2), site.Vm(idle).Host);
        Assert.Equal(site.Host(1), site.Vm(busy).Host);
        Assert.Equal(stays ? "starting it on host 'h1'" : "starting it on host 'h2': with it 'h2' is used to 50 %, 'h1' is used to 89 %", started.Step);
    }

    [Fact]
    public async Task OutsideOfClustersAMachineStartsWhereItIsRegisteredAsLongAsItFits()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Gib);
        for (var host = 1; host <= 2; host++)
            await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(host), Into = site.Datacenter });
        var idle = await site.CreateAsync("web01", host: 1, memory: Bytes.FromMib(512));
        await site.CreateAsync("web02", host: 1, memory: Bytes.FromMib(400), on: true);
        await site.SucceedAsync(new PowerOn { Target = idle });
        Assert.Equal(site.Host(1), site.Vm(idle).Host);
        var big = await site.CreateAsync("web03", host: 1, memory: Bytes.FromMib(600));
        Assert.Contains("'h1'", (await site.SucceedAsync(new PowerOn { Target = big })).Step, StringComparison.Ordinal);
        Assert.Equal(site.Host(2), site.Vm(big).Host);
    }

    [Fact]
    public async Task MachinesOfOneHostThatStartTogetherAreSpread()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 4, memory: Bytes.FromGib(8));
        EntityId[] vms = [.. await Task.WhenAll(Enumerable.Range(1, 12).Select(n => site.CreateAsync($"web{n}", host: 1, memory: Gib)))];
        foreach (var starting in await Task.WhenAll(vms.Select(v => site.SubmitAsync(new PowerOn { Target = v }))))
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(starting)).State);
        Assert.All(Enumerable.Range(1, 4), host => Assert.InRange(vms.Count(v => site.Vm(v).Host == site.Host(host)), 2, 4));
    }

    [Fact]
    public async Task AMachineThatDoesNotFitStartsOnAnotherHost()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Gib);
        var moving = await site.CreateAsync("web01", host: 1, memory: Bytes.FromMib(600));
        await site.CreateAsync("web02", host: 1, memory: Bytes.FromMib(600), on: true);
        await site.SucceedAsync(new PowerOn { Target = moving });
        Assert.Equal((site.Host(2), PowerState.On), (site.Vm(moving).Host!.Value, site.Vm(moving).Power));
        Assert.Null(await site.OnHostAsync(1, moving));
    }

    [Fact]
    public async Task AFaultTellsOfEveryHostWhyNot()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Gib);
        var id = await site.CreateAsync("big", memory: Bytes.FromMib(2048));
        site.Simulation.Hosts[2].KillAgent();
        await site.UntilAsync(now => now.Get<Host>(site.Host(3)).Connection == HostConnection.NotResponding, "the third host is lost");
        var fault = await site.FailAsync<NoHostFits>(new PowerOn { Target = id });
        Assert.Equal(["h1", "h2", "h3"], fault.Refusals.Select(r => r.HostName).Order());
        Assert.Contains("does not answer", fault.Refusals.Single(r => r.HostName == "h3").Reason, StringComparison.Ordinal);
        Assert.Equal(2, fault.Refusals.Count(r => r.Reason.Contains("1 GiB", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task ANamedHostIsTakenOrItsOwnReasonGiven()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Gib);
        var id = await site.CreateAsync("web01", host: 1);
        await site.SucceedAsync(new PowerOn { Target = id, Host = site.Host(2) });
        Assert.Equal(site.Host(2), site.Vm(id).Host);
        var big = await site.CreateAsync("big", memory: Bytes.FromMib(2048));
        var refusal = await site.FailAsync<InsufficientMemory>(new PowerOn { Target = big, Host = site.Host(2) });
        Assert.Null(refusal.Instead);
    }

    [Fact]
    public async Task ANamedHostThatRefusesNamesSomeThatWouldTakeTheMachine()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 6, memory: Gib);
        await site.CreateAsync("full", host: 2, on: true, memory: Bytes.FromMib(700));
        foreach (var (host, mib) in new[] { (1, 300), (4, 750), (5, 100), (6, 200) })
            await site.CreateAsync($"on{host}", host, on: true, memory: Bytes.FromMib(mib));
        var id = await site.CreateAsync("web01", host: 1);
        var start = await site.FailAsync<InsufficientMemory>(new PowerOn { Target = id, Host = site.Host(2) });
        // The emptiest first.
        Assert.EndsWith("left for guests. Hosts 'h3', 'h5', 'h6' and 1 more would take it.", start.Message, StringComparison.Ordinal);

        await site.SucceedAsync(new PowerOn { Target = id, Host = site.Host(3) });
        await site.CreateAsync("other", host: 6, on: true, memory: Bytes.FromMib(700));
        var move = await site.FailAsync<InsufficientMemory>(new MigrateVm { Target = id, Host = site.Host(2) });
        Assert.Equal("Hosts 'h5', 'h1' would take it.", move.Instead);

        await site.SucceedAsync(new PowerOff { Target = id });
        site.Simulation.Hosts[4].KillAgent();
        await site.UntilAsync(now => now.Get<Host>(site.Host(5)).Connection == HostConnection.NotResponding, "the fifth host is lost");
        var registration = await site.FailAsync<HostNotConnected>(new MigrateVm { Target = id, Host = site.Host(5) });
        Assert.EndsWith("Hosts 'h1', 'h2', 'h4' and 1 more would take it.", registration.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ANamedHostThatRefusesANewMachineNamesSomeThatWouldTakeIt()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 4, memory: Gib);
        var other = (await site.SucceedAsync(new CreateCluster { Target = site.Datacenter, Name = "other" })).Result!.Value;
        await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(4), Into = other });
        var source = await site.CreateAsync("source", host: 3);
        await site.CreateAsync("full", host: 3, on: true, memory: Bytes.FromMib(700));
        var gone = await site.CreateAsync("gone");
        await site.SucceedAsync(new UnregisterVm { Target = gone });
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(2) });

        var creation = await site.FailAsync<InvalidState>(site.Creation("web01") with { Location = site.Host(2) });
        Assert.StartsWith("'h2' is in maintenance", creation.Message, StringComparison.Ordinal);
        // New machines may be put on any host of the datacenter.
        Assert.EndsWith(" Hosts 'h1', 'h4', 'h3' would take it.", creation.Message, StringComparison.Ordinal);
        var registration = await site.FailAsync<InvalidState>(
            new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "gone/gone.vmx", Location = site.Host(2) });
        Assert.Equal("Hosts 'h1', 'h4', 'h3' would take it.", registration.Instead);
        // Files alone find room on a full host; a guest does not.
        var clone = new CloneVm { Target = source, Name = "web02", Location = site.Host(2) };
        Assert.Equal("Hosts 'h1', 'h4', 'h3' would take it.", (await site.FailAsync<InvalidState>(clone)).Instead);
        Assert.Equal("Hosts 'h1', 'h4' would take it.", (await site.FailAsync<InvalidState>(clone with { PowerOn = true })).Instead);
        Assert.Equal(
            "Hosts 'h1', 'h4' would take it.",
            (await site.FailAsync<InsufficientMemory>(clone with { PowerOn = true, Location = site.Host(3) })).Instead);
    }

    [Fact]
    public async Task NewMachinesThatStayOffSpreadOverHostsThatAreEquallyLoaded()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        await site.CreateAsync("big", host: 1, memory: Bytes.FromGib(1));
        // At once: those that are being made count.
        var creations = new List<TaskRecord>();
        for (var number = 1; number <= 7; number++)
            creations.Add(await site.SubmitAsync(site.Creation($"web{number}")));
        foreach (var creation in creations)
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(creation)).State);
        Assert.Equal([1, 3, 3], Enumerable.Range(1, 3).Select(n => site.Now.MachinesOn(site.Host(n)).Count(v => v.Name != "big")));
        var first = site.Now.MachinesOn(site.Host(2)).First().Id;
        await site.SucceedAsync(new PowerOn { Target = first });
        Assert.Equal(site.Host(2), site.Vm(first).Host);
    }

    [Fact]
    public async Task NewMachinesSpreadOverTheHosts()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var template = await site.CreateAsync("debian");
        await site.SucceedAsync(new MarkTemplate { Target = template });
        var deployments = new List<TaskRecord>();
        for (var number = 1; number <= 6; number++)
            deployments.Add(await site.SubmitAsync(new CloneVm { Target = template, Name = $"web{number}", Kind = CloneKind.Linked, PowerOn = true }));
        foreach (var deployment in deployments)
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(deployment)).State);
        var perHost = site.Now.OfType<VirtualMachine>().Where(v => v.Power == PowerState.On).CountBy(v => v.Host!.Value).Select(c => c.Value);
        Assert.Equal([2, 2, 2], perHost);
    }
}
