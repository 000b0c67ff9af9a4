using Alveare.Core.Balancing;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Statistics;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Snapshots;
using Xunit;

namespace Alveare.Tests.Core.Balancing;

/// <summary>A cluster balances itself, as far as its mode lets it, on statistics that are true.</summary>
public sealed class ClusterBalancingTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(30);

    [Fact]
    public async Task InFullModeAHotHostIsRelieved()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        Assert.All([1, 2, 3], host => Assert.InRange(cluster.CountOn(host), 2, 3));
        Assert.All(cluster.Migrations, task => Assert.Equal(("balancing", TaskState.Succeeded), (task.User, task.State)));
        Assert.All(cluster.Migrations, task => Assert.Contains("GHz s", task.Reason, StringComparison.Ordinal));
        Assert.Contains(cluster.Site.Engine.Events.Since(0), e => e.Kind == "balance.move" && e.Message.Contains("CPU", StringComparison.Ordinal));
        Assert.Empty(cluster.Recommended);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task MachinesThatMustOrShouldBeTogetherAreMovedTogether(bool isPreference)
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        var vms = cluster.Site.Now.OfType<VirtualMachine>().OrderBy(v => v.Id).Select(v => v.Id).ToList();
        // Every machine is in a pair, so that none can go alone.
        foreach (var pair in vms.Chunk(2))
        {
            await cluster.Site.SucceedAsync(new CreateRule
            {
                Target = cluster.Site.Cluster, Name = $"{pair[0]}", Kind = ClusterRuleKind.Together, Vms = [.. pair], IsPreference = isPreference,
            });
        }

        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        Assert.All([1, 2, 3], host => Assert.InRange(cluster.CountOn(host), 2, 4));
        Assert.All(vms.Chunk(2), pair => Assert.Equal(cluster.Site.Vm(pair[0]).Host, cluster.Site.Vm(pair[1]).Host));
        Assert.All(cluster.Migrations, task => Assert.Equal(TaskState.Succeeded, task.State));
        Assert.NotEmpty(cluster.Migrations);
    }

    [Fact]
    public async Task PlanningAgainAfterwardsMovesNothing()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, level: BalanceSettings.MaxLevel);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var moved = cluster.Migrations.Count;
        await cluster.BalanceAsync();
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        Assert.Equal(moved, cluster.Migrations.Count);
    }

    [Fact]
    public async Task AMachineThatWasMovedLatelyStays()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var moved = cluster.Migrations.Select(t => t.Target).ToHashSet();
        // What was moved is idle at once, and all others are busy: only those that were not moved may be.
        cluster.Tell(TimeSpan.FromMinutes(4), v => moved.Contains(v.Id) ? 0 : 200);
        await cluster.BalanceAsync();
        Assert.Equal(moved.Count, cluster.Migrations.Where(t => moved.Contains(t.Target)).Count());
    }

    [Theory]
    [InlineData(BalanceMode.Manual)]
    [InlineData(BalanceMode.Partial)]
    public async Task OtherwiseItIsRecommendedAndWaits(BalanceMode mode)
    {
        await using var cluster = await BalanceSite.OpenAsync(mode);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var first = cluster.Recommended;
        Assert.NotEmpty(first);
        Assert.Empty(cluster.Migrations);
        Assert.All(first, r => Assert.True(r.Gain > r.Cost && r.FromName == "h1" && r.VmName == cluster.Site.Vm(r.Vm!.Value).Name));

        // The next round finds the same, and what is the same keeps its id.
        cluster.Tell(TimeSpan.FromMinutes(1), _ => 150);
        await cluster.BalanceAsync();
        Assert.Equal(first.Select(r => r.Id), cluster.Recommended.Select(r => r.Id));
        Assert.Single(cluster.Site.Engine.Events.Since(0), e => e.Kind == "balance.recommends");
    }

    [Fact]
    public async Task RecommendationsAreAppliedOneByOneOrAll()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual);
        var id = cluster.Site.Cluster;
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var recommended = cluster.Recommended;
        await cluster.Site.SucceedAsync(new ApplyRecommendations { Target = id, Recommendations = [recommended[0].Id, recommended[0].Id] });
        Assert.Equal(recommended[0].To, cluster.Site.Vm(recommended[0].Vm!.Value).Host);
        Assert.Equal("anna", Assert.Single(cluster.Migrations).User);
        Assert.Equal(recommended.Skip(1).Select(r => r.Id), cluster.Recommended.Select(r => r.Id));

        await cluster.Site.FailAsync<NotFound>(new ApplyRecommendations { Target = id, Recommendations = [recommended[1].Id, "rec-999"] });
        await cluster.Site.FailAsync<InvalidArgument>(new ApplyRecommendations { Target = id, Recommendations = [] });
        Assert.Single(cluster.Migrations);

        await cluster.Site.SucceedAsync(new ApplyRecommendations { Target = id });
        Assert.All(recommended, r => Assert.Equal(r.To, cluster.Site.Vm(r.Vm!.Value).Host));
        Assert.Empty(cluster.Recommended);
        Assert.Equal("there was nothing to apply", (await cluster.Site.SucceedAsync(new ApplyRecommendations { Target = id })).Step);
    }

    [Fact]
    public async Task WhatCannotBeAppliedSaysWhyAndWaitsOnWhereItStillCouldBe()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual);
        var (site, id) = (cluster.Site, cluster.Site.Cluster);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var recommended = cluster.Recommended;

        var held = site.Hosts.Hold<SendMachine>();
        var moving = await site.SubmitAsync(new MigrateVm { Target = recommended[0].Vm!.Value, Host = recommended[0].To });
        await held.ArrivedAsync();
        await site.FailAsync<ObjectInUse>(new ApplyRecommendations { Target = id, Recommendations = [recommended[0].Id] });
        Assert.Equal(recommended.Select(r => r.Id), cluster.Recommended.Select(r => r.Id));

        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(moving)).State);
        Assert.Contains("by now", (await site.FailAsync<InvalidState>(new ApplyRecommendations { Target = id, Recommendations = [recommended[0].Id] })).Message, StringComparison.Ordinal);
        Assert.Equal(recommended.Skip(1).Select(r => r.Id), cluster.Recommended.Select(r => r.Id));
    }

    [Fact]
    public async Task WhatIsRecommendedWaitsOverARestart()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var before = cluster.Recommended;
        await cluster.RestartAsync(StoreKind.Recommendations);
        Assert.Equal(before, cluster.Recommended);

        // Nothing is known yet: nothing is withdrawn but what has been done by hand meanwhile.
        await cluster.BalanceAsync();
        Assert.Equal(before.Select(r => r.Id), cluster.Recommended.Select(r => r.Id));
        await cluster.Site.SucceedAsync(new MigrateVm { Target = before[0].Vm!.Value, Host = before[0].To });
        await cluster.BalanceAsync();
        Assert.Equal(before.Skip(1).Select(r => r.Id), cluster.Recommended.Select(r => r.Id));

        // What is found again keeps its id, and a new one has a number of its own.
        cluster.Tell(Long, v => v.Id == before[0].Vm ? 0 : 150);
        await cluster.BalanceAsync();
        Assert.All(cluster.Recommended, r => Assert.Equal(before.FirstOrDefault(b => (b.Vm, b.From, b.To) == (r.Vm, r.From, r.To))?.Id, before.Any(b => b.Id == r.Id) ? r.Id : null));
    }

    [Fact]
    public async Task AMachineRestsOverARestart()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        var moved = cluster.Migrations.Select(t => t.Target).ToHashSet();
        await cluster.RestartAsync(StoreKind.MoveHistory);
        cluster.Tell(TimeSpan.FromMinutes(4), v => moved.Contains(v.Id) ? 0 : 200);
        await cluster.BalanceAsync();
        Assert.Equal(moved.Count, cluster.Migrations.Count(t => moved.Contains(t.Target)));
    }

    [Fact]
    public async Task AMachineThatCouldNotBeMovedIsLeftAloneOverARestart()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, machines: 2);
        cluster.Tell(Long, _ => 200);
        for (var round = 1; round <= 3; round++)
        {
            cluster.Site.Hosts.Refuse<PrepareIncoming>(new MachineStartFailed("vm1", "no memory"));
            await cluster.Site.FailAsync<MachineStartFailed>(new BalanceCluster { Target = cluster.Site.Cluster });
        }

        var tried = Assert.Single(cluster.Migrations.Select(t => t.Target).Distinct());
        await cluster.RestartAsync(StoreKind.MoveHistory);
        cluster.Tell(TimeSpan.FromMinutes(8), _ => 200);
        await cluster.BalanceAsync();
        Assert.Equal(3, cluster.Migrations.Count(t => t.Target == tried));
    }

    [Fact]
    public async Task AMachineHasAModeOfItsOwn()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        var all = cluster.Site.Now.OfType<VirtualMachine>().Select(v => v.Id).Order().ToList();
        await cluster.Site.SucceedAsync(new SetBalancing
        {
            Target = cluster.Site.Cluster,
            Overrides = [.. all.Take(4).Select(id => new BalanceOverride(id, null)), .. all.Skip(4).Take(3).Select(id => new BalanceOverride(id, BalanceMode.Manual))],
        });
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        Assert.Equal([all[7]], cluster.Migrations.Select(t => t.Target));
        Assert.NotEmpty(cluster.Recommended);
        Assert.All(cluster.Recommended, r => Assert.Contains(r.Vm!.Value, all.Skip(4).Take(3)));

        await cluster.Site.SucceedAsync(new SetBalancing { Target = cluster.Site.Cluster, WithoutOverride = [all[0]], Overrides = [new(all[1], BalanceMode.Full)] });
        var modes = cluster.Site.Now.Get<Cluster>(cluster.Site.Cluster).Balancing.Overrides;
        Assert.Equal((6, BalanceMode.Full), (modes.Length, modes.Single(o => o.Vm == all[1]).Mode!.Value));

        // An export says so, for what-ifs.
        var read = cluster.Site.Engine.Balancing.Read(cluster.Site.Cluster);
        OwnMode?[] expected = [null, OwnMode.Full, OwnMode.Off, OwnMode.Off, OwnMode.Manual, OwnMode.Manual, OwnMode.Manual, null];
        Assert.Equal(expected, all.Select(id => read.Snapshot.Vms.Single(v => read.Vms[v.Id] == id).OwnMode));
    }

    [Fact]
    public async Task OfMachinesThatMustBeTogetherTheModeByWhichLeastIsDoneCounts()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, machines: 3);
        var (site, id) = (cluster.Site, cluster.Site.Cluster);
        var (app, db) = (cluster.Vm("vm1").Id, cluster.Vm("vm2").Id);
        await site.SucceedAsync(new SetBalancing { Target = id, Overrides = [new(db, BalanceMode.Manual)] });
        await site.SucceedAsync(new CreateRule { Target = id, Name = "pair", Kind = ClusterRuleKind.Together, Vms = [app, db] });
        await site.SucceedAsync(new SetHostGroup { Target = id, Name = "first", Hosts = [site.Host(1)] });
        await site.SucceedAsync(new CreateRule { Target = id, Name = "away", Kind = ClusterRuleKind.OffHosts, Vms = [db], HostGroup = "first" });
        cluster.Tell(Long, _ => 1);
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Migrations);
        Assert.Single(cluster.Recommended);
        await site.SucceedAsync(new ApplyRecommendations { Target = id });
        Assert.NotEqual(site.Host(1), site.Vm(db).Host);
        Assert.Equal(site.Vm(db).Host, site.Vm(app).Host);

        // One that is left alone holds the others.
        await site.SucceedAsync(new SetHostGroup { Target = id, Name = "first", Hosts = [site.Vm(db).Host!.Value] });
        await site.SucceedAsync(new SetBalancing { Target = id, WithoutOverride = [db], Overrides = [new(app, null)] });
        cluster.Tell(Long, _ => 1);
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Recommended);
        Assert.Equal(2, cluster.Migrations.Count);
    }

    [Fact]
    public async Task OnOldStatisticsNothingMoves()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => 150);
        cluster.Time.Push(TimeSpan.FromMinutes(2));
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Migrations);
    }

    [Theory]
    [InlineData(1970)]
    [InlineData(2099)]
    public async Task AClockThatIsSetChangesNothing(int year)
    {
        var set = new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero);
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long / 2, _ => 150);
        cluster.Time.Set(set);
        cluster.Tell(Long / 2, _ => 150);
        await cluster.BalanceAsync();
        Assert.All([1, 2, 3], host => Assert.InRange(cluster.CountOn(host), 2, 3));
        Assert.All(cluster.Migrations, task => Assert.Equal(TaskState.Succeeded, task.State));

        // What rests goes on resting, and does not rest for a century when the clock is right again.
        var moved = cluster.Migrations.Select(t => t.Target).ToHashSet();
        cluster.Time.Set(DateTimeOffset.UtcNow);
        cluster.Tell(TimeSpan.FromMinutes(4), v => moved.Contains(v.Id) ? 0 : 200);
        await cluster.BalanceAsync();
        Assert.Equal(moved.Count, cluster.Migrations.Count(t => moved.Contains(t.Target)));
        cluster.Tell(Long, v => moved.Contains(v.Id) && v.Host == cluster.Site.Host(2) ? 200 : 1);
        await cluster.BalanceAsync();
        Assert.True(cluster.Migrations.Count(t => moved.Contains(t.Target)) > moved.Count);

        // What is old is old, though by the date it was just now.
        cluster.Tell(Long, v => v.Host == cluster.Site.Host(1) ? 200 : 1);
        cluster.Time.Push(TimeSpan.FromMinutes(2));
        cluster.Time.Set(cluster.Time.GetUtcNow() - TimeSpan.FromMinutes(2));
        var before = cluster.Migrations.Count;
        await cluster.BalanceAsync();
        Assert.Equal(before, cluster.Migrations.Count);
    }

    [Fact]
    public async Task HostsWhoseClocksAreWrongAreBalancedLikeOthers()
    {
        var dice = new Random(7);
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => 150, host => host.Name switch
        {
            "h1" => DateTimeOffset.UnixEpoch,
            "h2" => DateTimeOffset.MaxValue,
            _ => DateTimeOffset.UnixEpoch + TimeSpan.FromDays(dice.Next(50_000)),
        });
        await cluster.BalanceAsync();
        Assert.All([1, 2, 3], host => Assert.InRange(cluster.CountOn(host), 2, 3));
    }

    [Fact]
    public async Task MachinesThatTheirPoolsLimitHoldsAreLeftWhereTheyAre()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        var site = cluster.Site;
        var pool = (await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "batch", CpuLimit = new(480) })).Result!.Value;
        foreach (var vm in site.Now.OfType<VirtualMachine>().ToList())
            await site.SucceedAsync(new MoveToPool { Target = vm.Id, Pool = pool });
        // Work without end, and a fifth of a CPU for all of them.
        void Tell() => cluster.Tell(Long, _ => 2.5, readyPercent: _ => 98);
        Tell();
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Migrations);

        await site.SucceedAsync(new UpdatePool { Target = pool, CpuLimit = new(0) });
        Tell();
        await cluster.BalanceAsync();
        Assert.NotEmpty(cluster.Migrations);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhatMachinesWaitForIsLoad(bool isWaiting)
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, hosts: 2);
        for (var n = 1; n <= 4; n++)
            await cluster.Site.CreateAsync($"other{n}", host: 2, on: true);
        // Both hosts have four of their CPUs in use; on the first twelve are asked for.
        cluster.Tell(Long, v => v.Host == cluster.Site.Host(1) ? 50 : 100, readyPercent: v => isWaiting && v.Host == cluster.Site.Host(1) ? 50 : 0);
        await cluster.BalanceAsync();
        Assert.Equal(isWaiting, cluster.Migrations.Count > 0);
        Assert.Equal(isWaiting, cluster.CountOn(1) < 8);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-5)]
    public async Task OnStatisticsThatCannotBeNothingMoves(double cpu)
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => cpu);
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Migrations);
    }

    [Fact]
    public async Task ASpikeMovesNothing()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(Long, _ => 2);
        cluster.Tell(TimeSpan.FromSeconds(40), _ => 200);
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Migrations);
    }

    [Fact]
    public async Task AHostInMaintenanceGetsNothingAndKeepsWhatItHas()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        await cluster.Site.Engine.Inventory.ApplyAsync(now => InventoryEdit.Of(now.Get<Host>(cluster.Site.Host(2)) with { Maintenance = HostMaintenance.In }));
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        Assert.Equal((0, true), (cluster.CountOn(2), cluster.CountOn(3) >= 3));
    }

    [Fact]
    public async Task AClusterOfOneHostIsLeftAloneWithoutAWord()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, hosts: 1);
        cluster.Tell(Long, _ => 150);
        await cluster.BalanceAsync();
        Assert.Empty(cluster.Migrations);
        Assert.DoesNotContain(cluster.Site.Engine.Events.Since(0), e => e.Kind.StartsWith("balance.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AMachineThatFailsToMoveThreeTimesIsLeftAlone()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, machines: 2);
        cluster.Tell(Long, _ => 200);
        for (var round = 1; round <= 3; round++)
        {
            cluster.Site.Hosts.Refuse<PrepareIncoming>(new MachineStartFailed("vm1", "no memory"));
            await cluster.Site.FailAsync<MachineStartFailed>(new BalanceCluster { Target = cluster.Site.Cluster });
            cluster.Tell(TimeSpan.FromMinutes(1), _ => 200);
        }

        var tried = Assert.Single(cluster.Migrations.Select(t => t.Target).Distinct());
        var said = Assert.Single(cluster.Site.Engine.Events.Since(0), e => e.Kind == "balance.backs-off");
        Assert.Equal(tried, said.Subject);
        Assert.Contains("10 minutes", said.Message, StringComparison.Ordinal);

        // The other machine does as well, and this one rests until the time is over.
        await cluster.BalanceAsync();
        Assert.Equal(3, cluster.Migrations.Count(t => t.Target == tried));
    }

    [Fact]
    public async Task ClustersThatShareADatastoreWaitForEachOthersMoves()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, hosts: 12, machines: 0);
        var site = cluster.Site;
        var second = site.Now.Get<Cluster>(site.Cluster) with { Id = new EntityId(EntityKind.Cluster, Guid.NewGuid()), Name = "second" };
        await site.Engine.Inventory.ApplyAsync(now => InventoryEdit.Of(
            [second, .. Enumerable.Range(7, 6).Select(n => now.Get<Host>(site.Host(n)) with { Parent = second.Id })]));
        foreach (var host in (int[])[1, 2, 3, 7, 8, 9])
        {
            for (var n = 1; n <= 4; n++)
                await site.CreateAsync($"vm{host}-{n}", host, on: true);
        }

        cluster.Tell(Long, _ => 150);
        var most = 0;
        var gate = new Lock();
        var isFull = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.On<PrepareIncoming>(
            async carryOut =>
            {
                lock (gate)
                {
                    most = Math.Max(most, cluster.Migrations.Count(t => !t.HasEnded));
                    if (most >= MoveRunner.MovesPerDatastore)
                        isFull.TrySetResult();
                }

                await isFull.Task.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
                return await carryOut();
            },
            times: int.MaxValue);
        await Task.WhenAll(cluster.BalanceAsync(), site.SucceedAsync(new BalanceCluster { Target = second.Id }));
        Assert.Equal(MoveRunner.MovesPerDatastore, most);
        // More than that wanted to be made: two to each of three hosts of both clusters.
        Assert.True(cluster.Migrations.Count > MoveRunner.MovesPerDatastore);
        Assert.All(cluster.Migrations, task => Assert.Equal(TaskState.Succeeded, task.State));
    }

    [Fact]
    public async Task WhatCannotBeSetIsRefused()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, machines: 1);
        var (site, id) = (cluster.Site, cluster.Vm("vm1").Id);
        var before = site.Now.Get<Cluster>(site.Cluster).Balancing;
        SetBalancing[] wrong =
        [
            new() { Target = site.Cluster, Level = 0 },
            new() { Target = site.Cluster, Level = 6 },
            new() { Target = site.Cluster, Interval = TimeSpan.Zero },
            new() { Target = site.Cluster, Interval = TimeSpan.FromDays(2) },
            new() { Target = site.Cluster, Mode = (BalanceMode)9 },
            new() { Target = site.Cluster, Overrides = [new(id, null), new(id, BalanceMode.Full)] },
            new() { Target = site.Cluster, Overrides = [new(id, null)], WithoutOverride = [id] },
        ];
        foreach (var operation in wrong)
            await site.FailAsync<InvalidArgument>(operation);
        await site.FailAsync<NotFound>(new SetBalancing { Target = site.Cluster, Overrides = [new(EntityId.Vm(Guid.NewGuid()), null)] });
        Assert.Equal(before, site.Now.Get<Cluster>(site.Cluster).Balancing);
    }

    [Fact]
    public async Task TheLoopTakesEachClustersTurn()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        await cluster.Site.SucceedAsync(new SetBalancing { Target = cluster.Site.Cluster, Interval = BalanceSettings.MinInterval });
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (cluster.Migrations.Count == 0)
        {
            cluster.Tell(TimeSpan.FromMinutes(5), _ => 150);
            await Task.Delay(100, limit.Token);
        }
    }

    [Fact]
    public async Task WhereStatisticsHaveStoppedAllCpusOfTheMachinesCount()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full, machines: 2);
        cluster.Tell(Long, _ => 10);
        Assert.Equal(480, AskedOfFirst());
        cluster.Time.Push(StatisticsHistory.Fresh + TimeSpan.FromSeconds(1));
        Assert.Equal(4 * 2400, AskedOfFirst());

        long AskedOfFirst() => new HostRooms(cluster.Site.Engine.Inventory, cluster.Site.Engine.Statistics).Of([cluster.Site.Host(1)]).Single().CpuDemand.Value;
    }

    [Fact]
    public async Task InManualModeAMachineStartsOnItsOwnHostOrNotAtAll()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, machines: 0);
        var big = await cluster.Site.CreateAsync("big", host: 1, memory: Bytes.FromGib(40));
        var other = await cluster.Site.CreateAsync("other", host: 1, memory: Bytes.FromGib(40));
        await cluster.Site.SucceedAsync(new PowerOn { Target = big });
        await cluster.Site.FailAsync<NoHostFits>(new PowerOn { Target = other });
        // Of a machine that is left alone nothing is done by itself either.
        await cluster.Site.SucceedAsync(new SetBalancing { Target = cluster.Site.Cluster, Overrides = [new(other, null)] });
        await cluster.Site.FailAsync<NoHostFits>(new PowerOn { Target = other });
        await cluster.Site.SucceedAsync(new SetBalancing { Target = cluster.Site.Cluster, Overrides = [new(other, BalanceMode.Full)] });
        await cluster.Site.SucceedAsync(new PowerOn { Target = other });
        Assert.NotEqual(cluster.Site.Host(1), cluster.Site.Vm(other).Host);
    }
}
