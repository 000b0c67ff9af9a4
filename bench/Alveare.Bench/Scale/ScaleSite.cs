using System.Net;
using System.Security.Cryptography;
using Alveare.Api;
using Alveare.Core;
using Alveare.Core.Inventory;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Security;
using Alveare.Simulation.Scenarios;
using Alveare.Simulation.Sites;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alveare.Bench.Scale;

/// <summary>How large the simulated site is.</summary>
/// <param name="Clusters">The number of hosts of each.</param>
internal sealed record ScaleShape(IReadOnlyList<int> Clusters, int MachinesPerHost)
{
    public int Hosts => Clusters.Sum();

    public int Machines => Hosts * MachinesPerHost;
}

/// <summary>A center in this process, its engine over its real store and its API on a loopback port, with simulated hosts that have their machines
/// already when they are joined. The hosts live here too, so their share is in every figure.</summary>
internal sealed class ScaleSite : IAsyncDisposable
{
    public const string User = "admin";
    public const string Password = "bench of scale";

    private readonly string _state = Directory.CreateTempSubdirectory("alveare-bench").FullName;
    private readonly CancellationTokenSource _end = new();
    private readonly AdvancedClock _clock = new();
    private readonly SimulatedSite _simulation;
    private readonly SqliteStore _store;
    private WebApplication? _server;
    private Task _statistics = Task.CompletedTask;

    private ScaleSite()
    {
        _simulation = SimulatedSite.Open(_clock);
        _simulation.World.CpuDemand = DemandWaves.Unlike(seed: 1, day: TimeSpan.FromHours(24)).Percent;
        _store = new SqliteStore(Path.Combine(_state, "center.db"));
        Engine = new Engine(_store, _simulation, _simulation, _clock, new IdSource(RandomNumberGenerator.Fill), NullLoggerFactory.Instance);
    }

    public Engine Engine { get; }

    /// <summary>Of the clusters' balancing, as far back as events are kept.</summary>
    public int RoundsWithMoves => Engine.Events.Since(0).Count(e => e.Kind == "balance.begins");

    public Uri Url { get; private set; } = null!;

    public static async Task<ScaleSite> OpenAsync(ScaleShape shape)
    {
        var site = new ScaleSite();
        try
        {
            await site.FillAsync(shape);
            await site.ServeAsync();
            await StatisticsHour.ReportAsync(site._simulation, site.Engine, site._clock);
            site._statistics = site.ReportAsync(site._end.Token);
            return site;
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _statistics;
        if (_server is not null)
            await _server.DisposeAsync();
        await Engine.DisposeAsync();
        await _store.DisposeAsync();
        _end.Dispose();
        Directory.Delete(_state, recursive: true);
    }

    private async Task FillAsync(ScaleShape shape)
    {
        var objects = new List<Entity>();
        for (var number = 1; number <= shape.Clusters.Count; number++)
            objects.AddRange(await ClusterAsync(number, shape.Clusters[number - 1], shape.MachinesPerHost));
        await Engine.StartAsync(CancellationToken.None);
        await Engine.Users.CreateAsync(User, Password, Role.Administrator);
        await Engine.Inventory.ApplyAsync(_ => InventoryEdit.Of([.. objects]));
        foreach (var host in _simulation.Hosts)
            Engine.Hosts.Start(host.Id);
        foreach (var host in _simulation.Hosts)
            await Engine.Hosts.ConnectedAsync(host.Id, CancellationToken.None);

        var found = Engine.Inventory.Current.OfType<VirtualMachine>().Count(v => v.Power == PowerState.On);
        if (found != shape.Machines)
            throw new InvalidOperationException($"{found} of {shape.Machines} machines were found running.");
    }

    // Each cluster has its storage to itself, and so is a datacenter of its own.
    private async Task<IEnumerable<Entity>> ClusterAsync(int number, int hostCount, int machinesPerHost)
    {
        var before = _simulation.Hosts.Count * machinesPerHost;
        var datacenter = IdOf(EntityKind.Datacenter, number);
        var cluster = new Cluster
        {
            Id = IdOf(EntityKind.Cluster, number), Name = $"c{number:D2}", Parent = datacenter, Balancing = new BalanceSettings { Mode = BalanceMode.Full },
        };
        var hosts = Enumerable.Range(1, hostCount).Select(n => _simulation.AddHost($"c{number:D2}-h{n:D2}", Bytes.FromGib(256), cpuThreads: 32)).ToList();
        var path = $"/c{number:D2}";
        var datastore = EntityId.Datastore(IdOf(EntityKind.Datastore, number).Uuid);
        _simulation.AddDatastore(path, Bytes.FromGib(1 << 20), [.. hosts]).Id = datastore;
        for (var host = 0; host < hosts.Count; host++)
        {
            await TellAsync(hosts[host], new MountDatastore(datastore, $"ds{number:D2}", path));
            for (var machine = 0; machine < machinesPerHost; machine++)
                await StartAsync(hosts[host], datastore, before + (host * machinesPerHost) + machine);
        }

        return
        [
            new Datacenter { Id = datacenter, Name = $"dc{number:D2}", Parent = EntityId.Root },
            cluster,
            new Datastore { Id = datastore, Name = $"ds{number:D2}", Parent = datacenter, Path = path },
            .. hosts.Select(h => new Host { Id = h.Id, Name = h.Name, Parent = cluster.Id, Address = h.Address, Fingerprint = h.Fingerprint }),
        ];
    }

    private static async Task StartAsync(SimulatedHost host, EntityId datastore, int number)
    {
        var spec = new MachineSpec
        {
            Uuid = IdOf(EntityKind.VirtualMachine, number).Uuid, Name = $"vm{number:D5}", Cpus = 2, Memory = Bytes.FromGib(4), Disks = [new DiskSpec($"vm{number:D5}.qcow2", Bytes.FromGib(10))],
        };
        await TellAsync(host, new CreateMachine(new DatastorePath(datastore, $"{spec.Name}/{spec.Name}.vmx"), spec));
        await TellAsync(host, new StartMachine(spec.Id, 0));
    }

    private static Task TellAsync(SimulatedHost host, HostCommand command) => host.ExecuteAsync(command, null, CancellationToken.None);

    private static EntityId IdOf(EntityKind kind, int number) => new(kind, new Guid(number + 1, (short)kind, 0, new byte[8]));

    private async Task ServeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _server = builder.Build();
        _server.UseAlveareApi(Engine, NullLogger.Instance);
        await _server.StartAsync();
        Url = new Uri(_server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    // The hosts' moments are spread over the interval.
    private async Task ReportAsync(CancellationToken end)
    {
        using var timer = new PeriodicTimer(StatisticsHour.Interval / _simulation.Hosts.Count);
        try
        {
            for (var turn = 0; await timer.WaitForNextTickAsync(end); turn++)
                _simulation.Hosts[turn % _simulation.Hosts.Count].Agent!.RaiseStatistics();
        }
        catch (OperationCanceledException)
        {
            // The site ends.
        }
    }
}
