using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>What tasks are doing or have done, so that what a host reports of it is not taken for news.</summary>
/// <param name="Made">Machines that a task makes and puts into the inventory itself.</param>
/// <param name="Destroyed">Machines that were destroyed: a registration of them that is left somewhere is no machine.</param>
/// <param name="Registered">Files that a task registers.</param>
internal sealed record TaskIntents(ImmutableHashSet<EntityId> Made, ImmutableHashSet<EntityId> Destroyed, ImmutableHashSet<DatastorePath> Registered)
{
    public static readonly TaskIntents None = new([], [], []);
}
