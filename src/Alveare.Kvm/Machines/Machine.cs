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

    public EntityId Id { get; } = initial.Id;

    /// <summary>Held by whatever changes the machine's power state, files or registration; a migration holds it while it prepares and
    /// while it ends, not while memory is copied.</summary>
    public SemaphoreSlim Gate { get; } = new(1, 1);

    /// <summary>Its QEMU, or null while it is off. Changes under <see cref="Gate"/> alone.</summary>
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

    /// <summary>True once it is registered no more. Changes under <see cref="Gate"/> alone.</summary>
    public bool IsRemoved { get; set; }

    /// <summary>Takes <see cref="Gate"/> until the result is disposed; a fault for a machine that was removed while the caller waited.</summary>
    public async Task<IDisposable> EnterAsync(CancellationToken cancellation)
    {
        await Gate.WaitAsync(cancellation);
        if (!IsRemoved)
            return new Exit(Gate);
        Gate.Release();
        throw new FaultException(new NotFound("virtual machine", Name));
    }

    /// <summary>Its QEMU; a fault while it is off.</summary>
    public MachineRun RequireRun() => Run ?? throw new FaultException(new InvalidPowerState(Name, PowerState.Off, PowerStates.Running));

    /// <summary>A fault while it runs, also out of this agent's reach.</summary>
    public void RequireOff()
    {
        if (Run is not null || Current.Power == PowerState.Unknown)
            throw new FaultException(new InvalidPowerState(Name, Current.Power == PowerState.Off ? PowerState.On : Current.Power, PowerStates.Off));
    }

    public MachineSpec RequireSpec() =>
        Current.Spec ?? throw new FaultException(new InvalidMachine(Name, Current.InvalidReason ?? "its file cannot be read"));

    public void Dispose() => Gate.Dispose();

    private sealed class Exit(SemaphoreSlim gate) : IDisposable
    {
        private SemaphoreSlim? gate = gate;

        public void Dispose() => Interlocked.Exchange(ref gate, null)?.Release();
    }
}
