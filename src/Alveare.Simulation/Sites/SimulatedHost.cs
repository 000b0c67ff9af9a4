using System.Globalization;
using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Simulation.Agents;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Storage;

namespace Alveare.Simulation.Sites;

/// <summary>A machine in memory that runs virtual machines: its agent, its QEMUs, its disk, and what can go wrong with each.</summary>
/// <remarks>As an <see cref="IHost"/> it is what the machine itself would be: its agent without a network in between. A center reaches it
/// through a <see cref="SimulatedLink"/>.</remarks>
public sealed class SimulatedHost : IHost
{
    private readonly Plant plant;
    private readonly List<SimulatedLink> links = [];
    private readonly SimulatedLink local;

    internal SimulatedHost(Plant plant, HostFacts facts)
    {
        plant.Power.Connect(facts.Id, CardOf(facts.Id), PowerOff, Boot);
        this.plant = plant;
        Facts = Says = facts;
        Fingerprint = Convert.ToHexString(facts.Id.Uuid.ToByteArray()) + Convert.ToHexString(facts.Id.Uuid.ToByteArray());
        local = LinkFrom(facts.Id);
        StartAgent();
    }

    public EntityId Id => Facts.Id;

    public string Name => Facts.HostName;

    public HostFacts Facts { get; }

    /// <summary>What its agent says that it is, once it starts; the truth unless somebody sets it.</summary>
    public HostFacts Says { get; set; }

    /// <summary>MAC address of the card that wakes it.</summary>
    public string Card => CardOf(Id);

    /// <summary>Where the host link listens.</summary>
    public string Address => $"{Name}:8902";

    public string Fingerprint { get; }

    /// <summary>The center that has claimed it.</summary>
    public string? Owner { get; set; }

    public HostDisk Disk { get; } = new();

    /// <summary>The agent that runs, or null.</summary>
    public Agent? Agent { get; private set; }

    /// <summary>The machine itself is up.</summary>
    public bool IsUp { get; private set; } = true;

    /// <summary>The QEMUs that live now.</summary>
    public IReadOnlyList<SimulatedQemu> Living => plant.World.Nature.Enter(() => Disk.Processes.Where(q => !q.HasEnded).ToList());

    /// <summary>Ends the agent in the middle of whatever it does.</summary>
    public void KillAgent() => plant.World.Nature.Enter(() =>
    {
        if (Agent is not { } agent)
            return;
        plant.World.Tell($"{Name}: agent killed");
        agent.Kill();
        Agent = null;
        BreakOff("the connection was closed");
    });

    public void StartAgent() => plant.World.Nature.Enter(() =>
    {
        if (Agent is not null || !IsUp)
            return;
        plant.World.Tell($"{Name}: agent starts");
        Agent = Agent.Start(plant, Says, Disk);
    });

    /// <summary>The machine loses its power: agent and QEMUs are gone; locks stay as they are.</summary>
    public void Crash() => plant.World.Nature.Enter(() =>
    {
        if (!IsUp)
            return;
        plant.World.Tell($"{Name}: host crashes");
        KillAgent();
        IsUp = false;
        foreach (var qemu in Living)
            qemu.Kill("the host went down");
    });

    /// <summary>The machine goes down in good order, as <see cref="Crash"/> when something still runs on it.</summary>
    private void PowerOff()
    {
        if (Living.Count > 0)
            plant.World.Break($"{Name} is powered down while {string.Join(", ", Living.Select(q => q.Name))} runs on it.");
        Crash();
    }

    /// <summary>The machine comes up again, and its agent with it.</summary>
    public void Boot() => plant.World.Nature.Enter(() =>
    {
        if (IsUp)
            return;
        plant.World.Tell($"{Name}: host boots");
        IsUp = true;
        StartAgent();
    });

    /// <summary>A QEMU is killed from outside, by the kernel or by a hand.</summary>
    public void KillQemu(EntityId machine) => plant.World.Nature.Enter(() =>
        Living.FirstOrDefault(q => q.Machine == machine)?.Kill("signal 9"));

    /// <summary>This host cannot reach a datastore (or can again).</summary>
    public void SetLost(SimulatedDatastore datastore, bool isLost) => plant.World.Nature.Enter(() =>
    {
        if (isLost ? datastore.LostBy.Add(Id) : datastore.LostBy.Remove(Id))
            plant.World.Tell($"{Name}: datastore {datastore.Path} {(isLost ? "lost" : "is back")}");
        Agent?.RefreshDatastores();
    });

    public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation) => local.ObserveAsync(cancellation);

    public IAsyncEnumerable<HostChange> WatchAsync(CancellationToken cancellation) => local.WatchAsync(cancellation);

    public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation) =>
        local.ExecuteAsync(command, progress, cancellation);

    public Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation) => local.OpenAsync(channel, cancellation);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>A way to this host's agent from elsewhere.</summary>
    internal SimulatedLink LinkFrom(EntityId from) => plant.World.Nature.Enter(() =>
    {
        var link = new SimulatedLink(plant, this, from);
        links.Add(link);
        return link;
    });

    internal void Forget(SimulatedLink link) => links.Remove(link);

    /// <summary>Whoever held the other end of its connections is gone.</summary>
    internal void CloseLinks()
    {
        foreach (var link in links.Where(l => l != local).ToList())
            link.Close();
    }

    private static string CardOf(EntityId host) =>
        $"02:{string.Join(':', host.Uuid.ToByteArray().TakeLast(5).Select(b => b.ToString("x2", CultureInfo.InvariantCulture)))}";

    private void BreakOff(string reason)
    {
        foreach (var link in links.ToList())
            link.Break(reason);
    }
}
