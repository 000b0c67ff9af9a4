using Alveare.Model.Faults;
using Alveare.Planning.Placement;

namespace Alveare.Core.Placement;

/// <summary>A host that somebody named does not fit. Whoever catches it can say which hosts would.</summary>
public sealed class HostRefusedException(Fault refusal) : FaultException(refusal)
{
    /// <summary>So many hosts are named; of the others only how many they are.</summary>
    private const int MostNamed = 3;

    /// <summary>The refusal with the hosts that would take the machine, the best first.</summary>
    /// <param name="others">What was found of the hosts that could have been named instead.</param>
    public FaultException NamingOthers(PlacementAnswer others) =>
        others.Fitting.IsEmpty ? this : new FaultException(Fault with { Instead = $"{Words([.. others.Fitting.Select(h => h.Name)])} would take it." }, this);

    private static string Words(IReadOnlyList<string> hosts)
    {
        var named = string.Join(", ", hosts.Take(MostNamed).Select(h => $"'{h}'"));
        return hosts.Count switch
        {
            1 => $"Host {named}",
            <= MostNamed => $"Hosts {named}",
            _ => $"Hosts {named} and {hosts.Count - MostNamed} more",
        };
    }
}
