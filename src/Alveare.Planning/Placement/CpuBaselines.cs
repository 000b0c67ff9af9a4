using System.Collections.Immutable;
using Alveare.Model.Hosts;

namespace Alveare.Planning.Placement;

/// <summary>What a cluster's CPU baseline asks of hosts, and which one a set of hosts could have.</summary>
/// <remarks>A baseline is a level of the x86-64 psABI or a processor model that QEMU knows by name. What a host lacks of a level follows from its
/// features; what it lacks of a model its QEMU says itself, which knows each model to the last bit.</remarks>
public static class CpuBaselines
{
    /// <summary>The levels, lowest first.</summary>
    public static readonly ImmutableArray<string> Levels = ["x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4"];

    /// <summary>The level of a machine that names no CPU in a cluster without a baseline.</summary>
    public const string Default = "x86-64-v2";

    /// <summary>What a host lacks of a baseline, in ordinal order; null when the host does not know it at all.</summary>
    public static ImmutableArray<string>? Missing(string baseline, HostFacts host)
    {
        if (Levels.Contains(baseline))
            return CpuModels.Missing(CpuModels.FeaturesOf(baseline), host.CpuFeatures);
        return host.CpuModels.FirstOrDefault(m => m.Name == baseline)?.Missing;
    }

    /// <summary>The highest level that all hosts can give; null when there is no host.</summary>
    public static string? HighestLevel(IReadOnlyCollection<HostFacts> hosts) =>
        hosts.Count == 0 ? null : Levels.LastOrDefault(level => hosts.All(h => Missing(level, h) is { IsEmpty: true }));

    /// <summary>The named models that all hosts can give whole, in the order of their names.</summary>
    public static ImmutableArray<string> CommonModels(IReadOnlyCollection<HostFacts> hosts) => hosts.Count == 0
        ? []
        : [.. hosts.First().CpuModels.Select(m => m.Name).Where(name => hosts.All(h => Missing(name, h) is { IsEmpty: true })).Order(StringComparer.Ordinal)];

    /// <summary>Whether a guest that was shown this CPU relies on no more than the baseline has. Of two different named models nobody can tell
    /// without QEMU, so the answer is no.</summary>
    /// <param name="model">The guest's; null for one that its host does not tell.</param>
    public static bool Covers(string baseline, string? model)
    {
        if (model is null || model == baseline || model == Levels[0])
            return true;
        return Levels.Contains(model) && CpuModels.Missing(CpuModels.FeaturesOf(model), CpuModels.FeaturesOf(baseline)).IsEmpty;
    }
}

/// <summary>Which CPU baselines the hosts of a cluster could have.</summary>
/// <param name="Baseline">The one it has; null for none.</param>
/// <param name="HighestLevel">The highest level that all of its hosts can give; null when none has said what it is.</param>
/// <param name="CommonModels">The named models that all of them can give.</param>
public sealed record CpuSurvey(string? Baseline, string? HighestLevel, ImmutableArray<string> CommonModels, ImmutableArray<HostCpuSurvey> Hosts)
{
    /// <param name="hosts">Those that have said what they are, with their names.</param>
    public static CpuSurvey Of(string? baseline, IReadOnlyCollection<KeyValuePair<string, HostFacts>> hosts)
    {
        var facts = hosts.Select(h => h.Value).ToList();
        return new CpuSurvey(
            baseline,
            CpuBaselines.HighestLevel(facts),
            CpuBaselines.CommonModels(facts),
            [.. hosts.OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => HostCpuSurvey.Of(h.Key, h.Value))]);
    }
}

/// <summary>What one host of a cluster can give.</summary>
/// <param name="NextLevel">The level above; null for a host with the highest.</param>
/// <param name="MissingOfNext">What it lacks of that.</param>
public sealed record HostCpuSurvey(string Host, string Cpu, string Level, string? NextLevel, ImmutableArray<string> MissingOfNext)
{
    public static HostCpuSurvey Of(string name, HostFacts facts)
    {
        var level = CpuBaselines.HighestLevel([facts])!;
        var next = CpuBaselines.Levels.SkipWhile(l => l != level).Skip(1).FirstOrDefault();
        return new HostCpuSurvey(name, facts.CpuModel, level, next, next is null ? [] : CpuBaselines.Missing(next, facts) ?? []);
    }
}
