using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>Decides which host a machine counts as being on when several speak of it.</summary>
internal static class MachinePlace
{
    /// <summary>Where it runs, before where it is only awaited; among those, and when it runs nowhere, the newest lock epoch; then where it
    /// was; then by id. A host that has not read the machine's files yet keeps it, and takes it from nobody.</summary>
    public static MachineClaim Choose(IReadOnlyList<MachineClaim> said, EntityId? present) => said
        .OrderByDescending(c => c.Runs)
        .ThenBy(c => c.IsAwaited)
        .ThenByDescending(c => !c.IsUnread ? c.Machine.LockEpoch : c.Host == present ? long.MaxValue : -1)
        .ThenByDescending(c => c.Host == present)
        .ThenBy(c => c.Host)
        .First();

    /// <summary>Whether a host's word counts while the host that the machine was on last does not answer: not when it may still run there.</summary>
    public static bool TakesOver(MachineClaim claim, VirtualMachine known) =>
        claim.Runs || (claim is { IsAwaited: false, IsUnread: false } && (claim.Machine.LockEpoch > known.LockEpoch || known.Power == PowerState.Off));

    /// <summary>Those that say that they run it, and not because it is moving: more than one should not.</summary>
    public static IReadOnlyList<MachineClaim> Runners(IReadOnlyList<MachineClaim> said) =>
        [.. said.Where(c => c.HasStayed)];

    /// <summary>Hosts that have a machine registered and off although its place is another host, which has it too.</summary>
    /// <remarks>Not one that knows of a newer epoch than the place: then what the place said last is old. And files of the same identity
    /// elsewhere are another machine, and nobody's to take away.</remarks>
    public static IReadOnlyList<EntityId> Strays(IReadOnlyList<MachineClaim> said, VirtualMachine vm) =>
        said.FirstOrDefault(c => c.Host == vm.Host) is { Machine: { Migration: null } home }
            ? [.. said.Where(c => c.Host != vm.Host && c.IsOff && c.Machine.Config == vm.Config && c.Machine.LockEpoch <= home.LockEpoch).Select(c => c.Host)]
            : [];
}
