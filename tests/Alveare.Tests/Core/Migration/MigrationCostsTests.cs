using Alveare.Core.Migration;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Statistics;
using Alveare.Model.Tasks;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Migration;

/// <summary>What is known of the cost of migrations.</summary>
public sealed class MigrationCostsTests
{
    private static readonly EntityId One = Host(1);
    private static readonly EntityId Two = Host(2);
    private static readonly EntityId Three = Host(3);
    private static readonly EntityId Vm = EntityId.Vm(new Guid(4, 0, 0, new byte[8]));
    private static readonly EntityId Other = EntityId.Vm(new Guid(5, 0, 0, new byte[8]));

    [Fact]
    public async Task ALinkIsKnownByItsOwnMigrationsAndOthersByThoseOfTheSite()
    {
        var costs = new MigrationCosts(new MemoryStore());
        Assert.Equal(MigrationCost.Assumed, costs.Of(Vm, One, Two));
        for (var n = 0; n < 40; n++)
        {
            await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 1000, seconds: 100), consumedMb: 500);
            await costs.LearnAsync(Vm, Move(Two, One), Figures(mb: 1000, seconds: 1), consumedMb: 500);
        }

        Assert.Equal(10, costs.Of(Vm, One, Two).MbPerSecond, 1.0);
        Assert.Equal(1000, costs.Of(Vm, Two, One).MbPerSecond, 1.0);
        Assert.Equal(costs.Site.MbPerSecond, costs.Of(Vm, One, Three).MbPerSecond);
        Assert.InRange(costs.Site.MbPerSecond, 10, 1000);
        Assert.All(new[] { costs.Of(Vm, One, Two), costs.Of(Vm, One, Three) }, c => Assert.Equal(2, c.Overhead, 0.01));
    }

    [Fact]
    public async Task TheFirstCountsAsMuchAsWhatWasAssumedAndLaterOnesLess()
    {
        var costs = new MigrationCosts(new MemoryStore());
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 300, seconds: 1), consumedMb: 0);
        Assert.Equal((200, 1.25), (costs.Site.MbPerSecond, costs.Site.Overhead));
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 0, seconds: 1), consumedMb: 0);
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 300, seconds: 0), consumedMb: 0);
        Assert.Equal(200, costs.Site.MbPerSecond);
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 500, seconds: 1), consumedMb: 0);
        Assert.Equal(300, costs.Site.MbPerSecond, 0.01);
    }

    [Fact]
    public async Task TheTermsOfAClusterHaveItsLinksAlone()
    {
        var costs = new MigrationCosts(new MemoryStore());
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 300, seconds: 1), consumedMb: 0);
        await costs.LearnAsync(Vm, Move(One, Three), Figures(mb: 300, seconds: 1), consumedMb: 0);
        var terms = costs.TermsFor(new Megahertz(2000), new Dictionary<string, double>(), new Dictionary<string, EntityId> { ["a"] = One, ["b"] = Two }, new Dictionary<string, EntityId>());
        Assert.Equal(("a", "b"), Assert.Single(terms.Links).Key);
        Assert.Equal(costs.Of(Vm, One, Two).MbPerSecond, terms.Links[("a", "b")]);
    }

    [Fact]
    public async Task AMachineIsKnownByItsOwnMigrationsAndOthersByThoseOfTheSite()
    {
        var costs = new MigrationCosts(new MemoryStore());
        for (var n = 0; n < 40; n++)
        {
            await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 4000, seconds: 40), consumedMb: 1000);
            await costs.LearnAsync(Other, Move(One, Two), Figures(mb: 500, seconds: 5), consumedMb: 1000);
        }

        Assert.Equal(4, costs.Of(Vm, One, Two).Overhead, 0.01);
        Assert.Equal(0.5, costs.Of(Other, Two, Three).Overhead, 0.01);
        Assert.Equal(costs.Site.Overhead, costs.Of(Three, One, Two).Overhead);
        Assert.InRange(costs.Site.Overhead, 0.6, 3.9);
        Assert.All(new[] { Vm, Other }, vm => Assert.Equal(100, costs.Of(vm, One, Two).MbPerSecond, 0.1));
        var terms = costs.TermsFor(
            new Megahertz(2000), new Dictionary<string, double>(), new Dictionary<string, EntityId>(), new Dictionary<string, EntityId> { ["vm"] = Vm, ["new"] = Three });
        Assert.Equal((costs.Of(Vm, One, Two).Overhead, costs.Site.Overhead), (terms.LoadOf("vm").Overhead, terms.LoadOf("new").Overhead));
    }

    [Fact]
    public async Task AMachineThatWritesIsExpectedToTakeAsLongOverItsLinkAsItTookAndLongerOverASlowOneThanItSends()
    {
        var costs = new MigrationCosts(new MemoryStore());
        for (var n = 0; n < 60; n++)
        {
            // Of 1000 MB that were sent, 400 were sent again.
            await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 1000, seconds: 5, dirtyMb: 80), consumedMb: 600);
            await costs.LearnAsync(Other, Move(Two, Three), Figures(mb: 500, seconds: 5), consumedMb: 500);
        }

        Assert.Equal(80, costs.Of(Vm, One, Two).DirtyMbPerSecond, 0.01);
        Assert.Equal(5, costs.Of(Vm, One, Two).SecondsFor(Bytes.FromMib(600)), 0.01);
        // 600 MB at 100 MB/s, of which 80 are taken by what is written.
        Assert.Equal(30, costs.Of(Vm, Two, Three).SecondsFor(Bytes.FromMib(600)), 0.1);
        Assert.Equal(6, costs.Of(Other, Two, Three).SecondsFor(Bytes.FromMib(600)), 0.1);
    }

    [Fact]
    public async Task OfAMachineWhoseMemoryWasNotKnownNothingIsLearned()
    {
        var costs = new MigrationCosts(new MemoryStore());
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 4000, seconds: 40), consumedMb: 0);
        await costs.LearnAsync(Other, Move(One, Two), Figures(mb: 4000, seconds: 40), consumedMb: 1000);
        Assert.Equal(costs.Site.Overhead, costs.Of(Vm, One, Two).Overhead);
    }

    [Fact]
    public async Task AMachineIsKnownAfterARestartUntilItIsGone()
    {
        var store = new MemoryStore();
        var costs = new MigrationCosts(store);
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 4000, seconds: 40), consumedMb: 1000);
        await costs.LearnAsync(Other, Move(One, Two), Figures(mb: 500, seconds: 5, dirtyMb: 20), consumedMb: 1000);
        Assert.True(costs.Of(Other, One, Two).DirtyMbPerSecond > 0);
        var again = new MigrationCosts(store);
        again.Load();
        Assert.Equal((costs.Of(Vm, One, Two), costs.Of(Other, One, Two)), (again.Of(Vm, One, Two), again.Of(Other, One, Two)));

        again.ForgetMachines(vm => vm == Vm);
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (store.Load(StoreKind.MigrationCost).Any(r => r.Key == Vm.ToString()))
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        var last = new MigrationCosts(store);
        last.Load();
        Assert.All(new[] { again, last }, c => Assert.Equal(c.Site.Overhead, c.Of(Vm, One, Two).Overhead));
        Assert.Equal(costs.Of(Other, One, Two), last.Of(Other, One, Two));
    }

    [Fact]
    public async Task ItIsKnownAfterARestartUntilAHostIsGone()
    {
        var store = new MemoryStore();
        var costs = new MigrationCosts(store);
        await costs.LearnAsync(Vm, Move(One, Two), Figures(mb: 300, seconds: 1), consumedMb: 200);
        await costs.LearnAsync(Vm, Move(Two, Three), Figures(mb: 900, seconds: 1), consumedMb: 200);
        var again = new MigrationCosts(store);
        again.Load();
        Assert.Equal((costs.Site, costs.Of(Vm, One, Two), costs.Of(Vm, Two, Three)), (again.Site, again.Of(Vm, One, Two), again.Of(Vm, Two, Three)));

        await again.ForgetAsync(Three);
        Assert.Equal(again.Site.MbPerSecond, again.Of(Vm, Two, Three).MbPerSecond);
        var last = new MigrationCosts(store);
        last.Load();
        Assert.Equal((again.Site, again.Of(Vm, One, Two), again.Of(Vm, Two, Three)), (last.Site, last.Of(Vm, One, Two), last.Of(Vm, Two, Three)));
    }

    [Fact]
    public void EveryMigrationIsLearnedFromAndMaintenanceEstimatesByIt() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 1, on: true);
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.Equal(new[] { $"{site.Host(1)} {site.Host(2)}", "site" }.Order(), site.Store.Load(StoreKind.MigrationCost).Select(r => r.Key).Order());
        await site.SucceedAsync(new ExitMaintenance { Target = site.Host(1) });
        await site.SucceedAsync(new MigrateVm { Target = vm, Host = site.Host(1) });
        Assert.Equal(3, site.Store.Load(StoreKind.MigrationCost).Count);

        var estimated = Assert.Single(site.Engine.Maintenance.Plan(site.Host(1)).Moves).Seconds;
        Assert.NotEqual(MigrationCost.Assumed.SecondsFor(site.Vm(vm).Spec!.Memory), estimated);
        await site.KillAndRestartAsync();
        await site.UntilAsync(now => now.OfType<Host>().All(h => h.Connection == HostConnection.Connected), "the hosts are connected");
        Assert.Equal(estimated, Assert.Single(site.Engine.Maintenance.Plan(site.Host(1)).Moves).Seconds);
        // One that was told to be slow says nothing of the link.
        await site.SucceedAsync(new MigrateVm { Target = vm, Host = site.Host(2), BandwidthLimit = 1_000_000 });
        await site.SucceedAsync(new RemoveHost { Target = site.Host(1) });
        Assert.Equal("site", Assert.Single(site.Store.Load(StoreKind.MigrationCost)).Key);
    });

    [Fact]
    public void AMachineWhoseMemoryIsKnownIsLearnedFrom() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 1, on: true);
        site.Engine.Statistics.Add(new StatisticsSampled(
            new HostSample { Host = site.Host(1), At = scheduler.Time.GetUtcNow() },
            [new MachineSample { Machine = vm, At = scheduler.Time.GetUtcNow(), MemoryConsumed = Bytes.FromMib(64) }]));
        await site.SucceedAsync(new MigrateVm { Target = vm, Host = site.Host(2) });
        Assert.Contains(vm.ToString(), site.Store.Load(StoreKind.MigrationCost).Select(r => r.Key));
    });

    private static EntityId Host(byte number) => EntityId.Host(new Guid(number, 0, 0, new byte[8]));

    private static MachineMove Move(EntityId source, EntityId target) => new(Guid.Empty, source, target);

    private static MigrationFigures Figures(long mb, double seconds, double dirtyMb = 0) =>
        new(TimeSpan.FromSeconds(seconds), TimeSpan.Zero, Bytes.FromMib(mb), dirtyMb * 1024 * 1024);
}
