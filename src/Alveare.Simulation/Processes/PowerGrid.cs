using Alveare.Model;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Processes;

/// <summary>The power of the hosts: who is told to go down goes down after a while, and who is woken comes up, unless a wake packet is lost.</summary>
public sealed class PowerGrid(World world)
{
    private static readonly TimeSpan ShutDown = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan StartUp = TimeSpan.FromSeconds(60);

    private readonly Dictionary<EntityId, Plug> plugs = [];

    /// <summary>How many of 100 wakes come to nothing.</summary>
    public double FailedWakes { get; set; }

    /// <summary>Of hosts that no wake brings up.</summary>
    public HashSet<EntityId> Broken { get; } = [];

    /// <param name="card">MAC address of the network card that listens for wake packets.</param>
    public void Connect(EntityId host, string card, Action down, Action up) => plugs[host] = new Plug(card, down, up);

    /// <summary>The host goes down, in its own time.</summary>
    public void PowerDown(EntityId host) => Later("Powering down", ShutDown, plugs[host].Down);

    /// <summary>A wake packet is in the networks.</summary>
    public void Wake(string card)
    {
        foreach (var host in plugs.Where(p => p.Value.Card == card).Select(p => p.Key).ToList())
            PowerUp(host);
    }

    public void PowerUp(EntityId host)
    {
        if (Broken.Contains(host) || world.Throw(FailedWakes))
            world.Tell("a wake comes to nothing");
        else
            Later("Powering up", StartUp, plugs[host].Up);
    }

    private void Later(string what, TimeSpan after, Action then) => world.Nature.Enter(() => world.Begin(what, async () =>
    {
        await world.PauseAsync(after);
        then();
    }));

    private sealed record Plug(string Card, Action Down, Action Up);
}
