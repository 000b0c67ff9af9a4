using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Processes;

/// <summary>One QEMU process. It knows nothing of agents and lives on without them.</summary>
public sealed class SimulatedQemu
{
    private readonly Plant plant;
    private readonly Realm realm;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MemoryTransfer? sending;

    public SimulatedQemu(Plant plant, EntityId host, string hostName, MachineSpec spec, DatastorePath config, SimulatedDatastore datastore)
    {
        this.plant = plant;
        (Host, HostName, Spec, Config, Datastore) = (host, hostName, spec, config, datastore);
        realm = plant.World.Nature.Beside($"qemu of {spec.Name} on {hostName}");
        Changed = new Bell(plant.World);
        Record = new RunRecord(plant.World.Time.GetUtcNow(), 0);
    }

    public EntityId Host { get; }

    public string HostName { get; }

    public MachineSpec Spec { get; }

    public EntityId Machine => Spec.Id;

    public string Name => Spec.Name;

    public DatastorePath Config { get; }

    public SimulatedDatastore Datastore { get; }

    /// <summary>The name its lock goes by: the configuration's path without extension.</summary>
    public string LockName => LockNameOf(Config);

    /// <summary>Beside the process on disk; agents read and write it.</summary>
    public RunRecord Record { get; set; }

    public bool Executes { get; private set; }

    public TransferStatus Transfer { get; private set; } = TransferStatus.None;

    /// <summary>Rings when the transfer or the execution changes, and at the end.</summary>
    public Bell Changed { get; }

    public Task Ended => ended.Task;

    public bool HasEnded => EndCause is not null;

    /// <summary>Why it ended; null while it lives.</summary>
    public string? EndCause { get; private set; }

    /// <summary>The guest, or somebody through the control socket, ended it in order.</summary>
    public bool EndedInOrder { get; private set; }

    public static string LockNameOf(DatastorePath config) =>
        config.Path.EndsWith(".vmx", StringComparison.Ordinal) ? config.Path[..^4] : config.Path;

    /// <summary>Lets the guest execute.</summary>
    public void Continue()
    {
        if (Executes || HasEnded)
            return;
        Executes = true;
        plant.Executions.Begins(this);
        Changed.Ring();
    }

    /// <summary>The guest stands still.</summary>
    public void Stop()
    {
        if (!Executes)
            return;
        Executes = false;
        plant.Executions.Ends(this);
        Changed.Ring();
    }

    /// <summary>Ends in order, by the control socket or by the guest.</summary>
    public void Quit(string cause) => End(cause, inOrder: true);

    /// <summary>Ends at once.</summary>
    public void Kill(string cause) => End(cause, inOrder: false);

    /// <summary>Begins to send the memory.</summary>
    public void Send(string uri)
    {
        sending = new MemoryTransfer(plant, this, uri);
        realm.Enter(() => plant.World.Begin($"Sending '{Name}'", sending.RunAsync));
    }

    /// <summary>Stops sending, if that is not over; the guest is as it is.</summary>
    public void CancelSending() => sending?.Cancel();

    /// <summary>How far the transfer is. An incoming one that fails ends the process, as QEMU does.</summary>
    public void Report(TransferStatus status)
    {
        if (HasEnded)
            return;
        Transfer = status;
        Changed.Ring();
    }

    private void End(string cause, bool inOrder)
    {
        if (HasEnded)
            return;
        Stop();
        (EndCause, EndedInOrder) = (cause, inOrder);
        realm.Kill();
        sending?.OnSenderEnded();
        plant.World.Tell($"{HostName}: QEMU of {Name} ended: {cause}");
        Changed.Ring();
        ended.TrySetResult();
    }
}
