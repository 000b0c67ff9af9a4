using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>One machine that is registered on this host.</summary>
public sealed class Machine(HostState state, HostMachine initial) : IDisposable
{
    private readonly Lock sync = new();
    private HostMachine current = initial with { Revision = state.NextRevision() };

    // Held by whatever changes the machine's power state, files or registration; a migration holds it while it prepares and while it ends, not
    // while memory is copied.
    private readonly SemaphoreSlim gate = new(1, 1);

    public EntityId Id { get; } = initial.Id;

    /// <summary>Its QEMU, or null while it is off. Changes while the machine is entered alone.</summary>
    public MachineRun? Run { get; set; }

    public HostMachine Current
    {
        get
        {
            lock (sync)
                return current;
        }
    }

    /// <summary>The name for people; a machine whose file cannot be read is named after the file.</summary>
    public string Name => Current is { Spec: { } spec } ? spec.Name : Current.Config.FileName;

    /// <summary>Changes what the host says of the machine and tells watchers, if it is a change.</summary>
    public void Change(Func<HostMachine, HostMachine> change)
    {
        lock (sync)
        {
            var changed = change(current);
            if (changed == current)
                return;
            current = changed with { Revision = state.NextRevision() };
            state.Publish(new MachineChanged(current));
        }
    }

    /// <summary>True once it is registered no more. Changes while the machine is entered alone.</summary>
    public bool IsRemoved { get; set; }

    /// <summary>Enters the machine, as one at a time, until the result is disposed; a fault for a machine that was removed while the caller waited.</summary>
    public async Task<IDisposable> EnterAsync(CancellationToken cancellation)
    {
        await gate.WaitAsync(cancellation);
        if (!IsRemoved)
            return new Exit(gate);
        gate.Release();
        throw new FaultException(new NotFound("virtual machine", Name));
    }

    /// <summary>Its QEMU; a fault while it is off.</summary>
    public MachineRun RequireRun() =>
        Run ?? throw new FaultException(new InvalidPowerState(Name, Current.Power == PowerState.Unknown ? PowerState.Unknown : PowerState.Off, PowerStates.Running));

    /// <summary>A fault while it runs, also out of this agent's reach, and while it is not known whether it is off.</summary>
    public void RequireOff()
    {
        if (Run is null && Current.IsUnread)
            throw new FaultException(new InvalidState(Name, "not known yet (its datastore has not answered since the host's agent started)", "off"));
        if (Run is not null || Current.Power == PowerState.Unknown)
            throw new FaultException(new InvalidPowerState(Name, Current.Power == PowerState.Off ? PowerState.On : Current.Power, PowerStates.Off));
    }

    public void Dispose() => gate.Dispose();

    private sealed class Exit(SemaphoreSlim entered) : IDisposable
    {
        private SemaphoreSlim? held = entered;

        public void Dispose() => Interlocked.Exchange(ref held, null)?.Release();
    }
}
