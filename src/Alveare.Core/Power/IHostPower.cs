using Alveare.Model.Inventory;

namespace Alveare.Core.Power;

/// <summary>How the engine gets at the power of a host, whether its agent runs or not: over the network in a real center, in memory in a simulation.</summary>
/// <remarks>Everything that can be expected to go wrong with a baseboard controller is a <c>ControllerFailed</c> fault.</remarks>
public interface IHostPower
{
    /// <summary>Sends a wake packet from where the engine runs. That it was sent says nothing of its arrival.</summary>
    Task SendPacketAsync(WakeOnLan card, CancellationToken cancellation);

    /// <summary>Ends when a baseboard controller answers, and can power its system up and ask it to shut down, as far as it says.</summary>
    Task CheckAsync(Redfish controller, string password, CancellationToken cancellation);

    /// <summary>Whether the system behind a baseboard controller has power.</summary>
    Task<bool> IsOnAsync(Redfish controller, string password, CancellationToken cancellation);

    /// <summary>Powers a system up; nothing when it is on.</summary>
    Task PowerOnAsync(Redfish controller, string password, CancellationToken cancellation);

    /// <summary>Asks the operating system of a system to shut down and power off. Answers when it was asked.</summary>
    Task ShutDownAsync(Redfish controller, string password, CancellationToken cancellation);
}
