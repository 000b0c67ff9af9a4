using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>What tasks are doing or have done, so that what a host reports of it is not taken for news.</summary>
/// <param name="Settled">Machines that a task makes or destroys: it puts them into the inventory, or takes them out of it, itself.</param>
/// <param name="Destroyed">Machines that were destroyed: a registration of them that is left somewhere, or the end of a migration, is no machine.</param>
/// <param name="Registered">Files that a task registers.</param>
internal sealed record TaskIntents(ImmutableHashSet<EntityId> Settled, ImmutableHashSet<EntityId> Destroyed, ImmutableHashSet<DatastorePath> Registered)
{
    public static readonly TaskIntents None = new([], [], []);
}
