using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Rules;

/// <summary>Rules as people say them.</summary>
public static class RuleText
{
    private const int Shown = 4;

    public static string Of(SnapshotRule rule) => rule.Kind switch
    {
        RuleKind.Together => $"rule {rule.Id}: {Names(rule.Vms)} together",
        RuleKind.Apart => $"rule {rule.Id}: {Names(rule.Vms)} apart",
        _ when !rule.Off.IsEmpty => $"rule {rule.Id}: {Names(rule.Vms)} not on {Names(rule.Off)}",
        _ => $"rule {rule.Id}: {Names(rule.Vms)} on {Names(rule.Hosts)} only",
    };

    private static string Names(IReadOnlyCollection<string> names) =>
        names.Count == 0 ? "nothing" : string.Join(", ", names.Order(StringComparer.Ordinal).Take(Shown)) + (names.Count > Shown ? $" and {names.Count - Shown} more" : "");
}
