using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>Why a QEMU is about to end, as far as this agent said so.</summary>
internal enum EndReason
{
    None,
    PoweredOff,
    MovedAway,
}

/// <summary>A QEMU as the agent that started or adopted it knows it.</summary>
internal sealed class MachineRun(SimulatedQemu qemu)
{
    public SimulatedQemu Qemu { get; } = qemu;

    public EndReason EndReason { get; set; }

    /// <summary>Set when the agent has cleaned up after its end.</summary>
    public TaskCompletionSource CleanedUp { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>A machine that an agent knows.</summary>
internal sealed class AgentMachine(Board board, HostMachine initial)
{
    private readonly Gate gate = new();

    public HostMachine Current { get; private set; } = initial with { Revision = board.NextRevision() };

    public EntityId Id => Current.Id;

    public string Name => Current.Spec?.Name ?? Current.Config.FileName;

    public MachineRun? Run { get; set; }

    public void Change(Func<HostMachine, HostMachine> change)
    {
        var changed = change(Current);
        if (changed == Current)
            return;
        Current = changed with { Revision = board.NextRevision() };
        board.Put(Current);
    }

    /// <summary>Held by whatever changes the machine's power state, files or registration.</summary>
    public Task<IDisposable> EnterAsync() => gate.EnterAsync();

    public MachineRun RequireRun() => Run ?? throw new FaultException(new InvalidPowerState(Name, PowerState.Off, PowerStates.Running));

    public void RequireOff()
    {
        if (Run is not null)
            throw new FaultException(new InvalidPowerState(Name, Current.Power == PowerState.Off ? PowerState.On : Current.Power, PowerStates.Off));
    }
}
