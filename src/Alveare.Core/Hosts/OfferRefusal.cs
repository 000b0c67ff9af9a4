using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.Core.Hosts;

/// <summary>Something of its datacenter that a connected host did not offer, and why.</summary>
public sealed record OfferRefusal(EntityId Host, Fault Fault);
