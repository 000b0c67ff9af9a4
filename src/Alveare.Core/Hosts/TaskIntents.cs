using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>What tasks are doing or have done, so that what a host reports of it is not taken for news.</summary>
/// <param name="Settled">Machines that a task makes or destroys: it puts them into the inventory, or takes them out of it, itself.</param>
/// <param name="Destroyed">Machines that were destroyed: a registration of their files that is left somewhere, or the end of a migration, is no machine.</param>
/// <param name="Registered">Files that a task registers.</param>
internal sealed record TaskIntents(
    ImmutableHashSet<EntityId> Settled, ImmutableHashSet<DestroyedMachine> Destroyed, ImmutableHashSet<DatastorePath> Registered)
{
    public static readonly TaskIntents None = new([], [], []);

    /// <summary>Whether a host speaks of what is left of files that were destroyed. What runs all the same is a machine, and has those files in the inventory then.</summary>
    public bool IsLeftover(MachineClaim claim, VirtualMachine? known) =>
        !claim.HasStayed && claim.Machine.Config != known?.Config && Destroyed.Contains(new DestroyedMachine(claim.Machine.Id, claim.Machine.Config));
}
