using System.Text;
using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Simulation.Agents;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Sites;

/// <summary>A connection to a simulated host: with the delays of a wire, and its ways to lose an answer.</summary>
public sealed class SimulatedLink : IHost
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(3);

    private readonly Plant plant;
    private readonly SimulatedHost host;
    private readonly EntityId from;
    private readonly HashSet<Action<Fault>> open = [];
    private bool isClosed;

    internal SimulatedLink(Plant plant, SimulatedHost host, EntityId from)
    {
        (this.plant, this.host, this.from) = (plant, host, from);
        plant.Network.WasCut += OnCut;
    }

    public EntityId Id => host.Id;

    private World World => plant.World;

    private bool IsLocal => from == host.Id;

    public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation) =>
        CallAsync(null, "observe", (agent, _) => Task.FromResult(agent.Snapshot), cancellation);

    public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation) =>
        CallAsync(progress, command.GetType().Name, (agent, relay) => agent.ExecuteAsync(command, relay), cancellation);

    public IAsyncEnumerable<HostChange> WatchAsync(CancellationToken cancellation)
    {
        var watcher = new Subscription();
        World.Nature.Enter(() => World.Begin($"Watching {host.Name}", () => PumpAsync(watcher, cancellation)));
        return watcher.ReadAsync(cancellation);
    }

    public Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation) =>
        CallAsync(null, "open", (agent, _) => Task.FromResult(Open(agent, channel)), cancellation);

    public ValueTask DisposeAsync()
    {
        Close();
        return ValueTask.CompletedTask;
    }

    internal void Close() => World.Nature.Enter(() =>
    {
        if (isClosed)
            return;
        isClosed = true;
        plant.Network.WasCut -= OnCut;
        host.Forget(this);
        Break("this end closed the connection");
    });

    /// <summary>Everybody who waits at this link hears that the host is not connected.</summary>
    internal void Break(string reason)
    {
        foreach (var end in open.ToList())
            end(NotConnected(reason));
    }

    private Stream Open(Agent agent, HostChannel channel)
    {
        if (channel.Kind == HostChannelKind.Log)
        {
            var machine = agent.Snapshot.Machines.FirstOrDefault(m => m.Id == channel.Machine)
                ?? throw new FaultException(new NotFound("virtual machine", channel.Machine.ToString()));
            return new MemoryStream(Encoding.UTF8.GetBytes($"{machine.Spec?.Name}: the log of a simulated machine\n"), writable: false);
        }

        var qemu = agent.ProcessOf(channel.Machine);
        var greeting = channel.Kind == HostChannelKind.Vnc ? "RFB 003.008\n" : $"{qemu.Name} login: ";
        var console = new SimulatedConsole(Encoding.UTF8.GetBytes(greeting), qemu.Ended, closed => open.Remove(closed.Fail));
        open.Add(console.Fail);
        return console;
    }

    private HostNotConnected NotConnected(string reason) => new(host.Name, reason);

    private Task<T> CallAsync<T>(
        IProgress<HostProgress>? progress,
        string what,
        Func<Agent, IProgress<HostProgress>, Task<T>> ask,
        CancellationToken cancellation)
    {
        var call = new SimulatedCall<T>(progress);
        World.Nature.Enter(() => World.Begin($"Calling {host.Name}: {what}", () => CarryAsync(call, what, ask)));
        return call.WaitAsync(cancellation);
    }

    private async Task CarryAsync<T>(SimulatedCall<T> call, string what, Func<Agent, IProgress<HostProgress>, Task<T>> ask)
    {
        open.Add(call.Fail);
        try
        {
            await TravelAsync();
            if (call.IsOver)
                return;
            if (isClosed || host.Agent is not { } agent || !plant.Network.Reaches(from, host.Id))
            {
                call.Fail(NotConnected("nobody answers"));
                return;
            }

            var reply = await ask(agent, call);
            await ReturnAsync(call, what);
            call.Answer(reply);
        }
        catch (FaultException e)
        {
            await ReturnAsync(call, what);
            call.Fail(e.Fault);
        }
        finally
        {
            open.Remove(call.Fail);
        }
    }

    private Task TravelAsync() => IsLocal ? Task.CompletedTask : World.PauseAsync(1);

    /// <summary>The answer's way back, on which it may be lost.</summary>
    private async Task ReturnAsync<T>(SimulatedCall<T> call, string what)
    {
        if (IsLocal || call.IsOver)
            return;
        if (World.Throw(plant.Network.SlowAnswers))
        {
            World.Tell($"{host.Name}: the answer to {what} is slow");
            await World.PauseAsync(4000);
        }

        await TravelAsync();
        if (World.Throw(plant.Network.LostAnswers))
        {
            World.Tell($"{host.Name}: the answer to {what} is lost");
            call.Fail(NotConnected("the connection broke before the answer came"));
        }

        await plant.Network.AwaitAsync(from, host.Id, TimeSpan.FromMinutes(1));
    }

    /// <summary>Carries the agent's changes to the watcher, in order, until the connection breaks or the watcher stops.</summary>
    private async Task PumpAsync(Subscription watcher, CancellationToken cancellation)
    {
        await TravelAsync();
        if (isClosed || host.Agent is not { } agent || !plant.Network.Reaches(from, host.Id))
        {
            watcher.End(NotConnected("nobody answers"));
            return;
        }

        var near = new Subscription();
        void End(Fault fault)
        {
            near.End(fault);
            watcher.End(fault);
        }

        open.Add(End);
        agent.Watch(near);
        try
        {
            await foreach (var change in near.ReadAsync(cancellation))
            {
                await TravelAsync();
                await plant.Network.AwaitAsync(from, host.Id, TimeSpan.FromMinutes(1));
                watcher.Put(change);
            }
        }
        catch (Exception e) when (e is FaultException or OperationCanceledException)
        {
            // The watcher has been told, or does not listen any more.
        }
        finally
        {
            agent.Unwatch(near);
            open.Remove(End);
        }
    }

    private void OnCut(EntityId one, EntityId other)
    {
        if ((one == from && other == host.Id) || (one == host.Id && other == from))
            World.Nature.Enter(() => World.Begin($"A silent connection to {host.Name}", FindSilenceAsync));
    }

    private async Task FindSilenceAsync()
    {
        await World.PauseAsync(KeepAlive);
        if (!plant.Network.Reaches(from, host.Id))
            Break("it does not answer");
    }
}
