namespace Alveare.Planning.Clusters;

/// <summary>Why one host is refused.</summary>
public sealed record HostReason(string Host, string Reason);
