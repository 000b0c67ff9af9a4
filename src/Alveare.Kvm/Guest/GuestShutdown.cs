using Alveare.Kvm.Machines;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Guest;

/// <summary>Asks a guest to shut down: its agent if there is one, else by the power button.</summary>
public static class GuestShutdown
{
    /// <summary>Returns when the request was delivered; what the guest makes of it is seen when its machine is off.</summary>
    public static async Task RequestAsync(Machine machine, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        var run = machine.RequireRun();
        if (machine.Current.Power != PowerState.On)
            throw new FaultException(new InvalidPowerState(machine.Name, machine.Current.Power, PowerStates.On));
        try
        {
            if (await GuestWatch.IsAgentThereAsync(run) && await GuestAgent.ShutDownAsync(run.Directory.GuestAgent) is null)
                return;
            await run.Qmp.ExecuteAsync("system_powerdown", cancellation: cancellation);
        }
        catch (QmpClosedException e) when (e.IsGone)
        {
            // The machine is off, or about to be.
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            throw new FaultException(new GuestNotReachable(machine.Name, e.Message), e);
        }
    }
}
