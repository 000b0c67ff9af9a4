using Alveare.Core.Power;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;

namespace Alveare.Tests.Core.Hosts;

/// <summary>For hosts that tests play: nothing but a hand at their button reaches their power.</summary>
internal sealed class NoPower : IHostPower
{
    public Task SendPacketAsync(WakeOnLan card, CancellationToken cancellation) => throw Refused();

    public Task CheckAsync(Redfish controller, string password, CancellationToken cancellation) => throw Refused();

    public Task<bool> IsOnAsync(Redfish controller, string password, CancellationToken cancellation) => throw Refused();

    public Task PowerOnAsync(Redfish controller, string password, CancellationToken cancellation) => throw Refused();

    public Task ShutDownAsync(Redfish controller, string password, CancellationToken cancellation) => throw Refused();

    private static FaultException Refused() => new(new ControllerFailed("nowhere", "there is none"));
}
