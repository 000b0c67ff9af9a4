using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>What tasks are doing or have done, so that what a host reports of it is not taken for news.</summary>
/// <param name="Settled">Machines that a task makes or destroys: it puts them into the inventory, or takes them out of it, itself.</param>
/// <param name="Destroyed">Machines that were destroyed: a registration of their files that is left somewhere, or the end of a migration, is no machine.</param>
/// <param name="Registered">Files that a task registers.</param>
internal sealed record TaskIntents(
    ImmutableHashSet<EntityId> Settled, ImmutableDictionary<EntityId, DestroyedMachine> Destroyed, ImmutableHashSet<DatastorePath> Registered)
{
    public static readonly TaskIntents None = new([], ImmutableDictionary<EntityId, DestroyedMachine>.Empty, []);

    /// <summary>Whether a host speaks of what is left of a machine that was destroyed. Other files of the same identity are another machine.</summary>
    public bool IsLeftover(MachineClaim claim) => Destroyed.GetValueOrDefault(claim.Machine.Id)?.Config == claim.Machine.Config;
}
