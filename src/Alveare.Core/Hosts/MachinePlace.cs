using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>Decides which host a machine counts as being on when several speak of it.</summary>
internal static class MachinePlace
{
    /// <summary>Where it runs; among those, and when it runs nowhere, the newest lock epoch; then where it was; then by id.</summary>
    public static MachineClaim Choose(IReadOnlyList<MachineClaim> said, EntityId? present) => said
        .OrderByDescending(c => c.Runs)
        .ThenByDescending(c => c.Machine.LockEpoch)
        .ThenByDescending(c => c.Host == present)
        .ThenBy(c => c.Host)
        .First();

    /// <summary>Whether a host's word counts while the host that the machine was on last does not answer: not when it may still run there.</summary>
    public static bool TakesOver(MachineClaim claim, VirtualMachine known) =>
        claim.Runs || claim.Machine.LockEpoch > known.LockEpoch || known.Power == PowerState.Off;

    /// <summary>Two hosts say that they run it, and not because it is moving between them.</summary>
    public static bool RunsTwice(IReadOnlyList<MachineClaim> said) =>
        said.Count(c => c.Runs && c.Machine.Migration is null) > 1;
}
