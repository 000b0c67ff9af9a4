using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Alveare.Planning.Placement;

/// <summary>Which CPU features a guest relies on, given the CPU model its configuration names.</summary>
/// <remarks>The levels are those of the x86-64 psABI (section 3.1.1, table 3.1). A model of a processor line is counted at the highest level
/// it reaches completely: QEMU itself refuses the rest when it starts with that model.</remarks>
public static partial class CpuModels
{
    private static readonly ImmutableArray<string> Level2 = ["cx16", "lahf-lm", "pni", "popcnt", "sse4-1", "sse4-2", "ssse3"];

    private static readonly ImmutableArray<string> Level3 =
        [.. Level2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"];

    private static readonly ImmutableArray<string> Level4 = [.. Level3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"];

    // As QEMU's documentation lists them (docs/system/cpu-models-x86-abi.csv). Those of level 1 (Conroe, Penryn, Opteron_G1 to G3) need no entry.
    private static readonly ImmutableDictionary<string, ImmutableArray<string>> Models = new[]
        {
            (Level2, (string[])["x86-64-v2", "Nehalem", "Westmere", "SandyBridge", "IvyBridge", "Denverton", "Snowridge", "Opteron_G4", "Opteron_G5"]),
            (Level3, ["x86-64-v3", "Haswell", "Broadwell", "Skylake-Client", "KnightsMill", "EPYC", "EPYC-Rome", "EPYC-Milan", "Dhyana"]),
            (Level4, ["x86-64-v4", "Skylake-Server", "Cascadelake-Server", "Cooperlake", "Icelake-Server", "SapphireRapids", "GraniteRapids", "EPYC-Genoa"]),
        }
        .SelectMany(level => level.Item2.Select(name => (Name: name, Features: level.Item1)))
        .ToImmutableDictionary(m => m.Name, m => m.Features, StringComparer.OrdinalIgnoreCase);

    /// <summary>Features of the model; none for the portable default, for models that take whatever the host has, and for those that nobody has heard of.</summary>
    public static ImmutableArray<string> FeaturesOf(string? model) =>
        model is not null && (Models.TryGetValue(model, out var features) || Models.TryGetValue(Variant().Replace(model, ""), out features)) ? features : [];

    /// <summary>True for a model that shows the guest the very CPU of the host it started on, so that it relies on all of it.</summary>
    public static bool IsOfTheHost(string? model) => model is "host" or "max";

    /// <summary>The needed features a host lacks, in ordinal order, in the spelling they were asked for.</summary>
    public static ImmutableArray<string> Missing(ImmutableArray<string> needed, ImmutableArray<string> offered)
    {
        if (needed.IsEmpty)
            return [];
        var have = offered.Select(Plain).ToHashSet(StringComparer.Ordinal);
        return [.. needed.Where(f => !have.Contains(Plain(f))).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    // QEMU takes several spellings of one feature (sse4.1, sse4-1, sse4_1; sse3, pni).
    private static string Plain(string feature)
    {
        var plain = feature.ToLowerInvariant().Replace('_', '-').Replace('.', '-');
        return plain switch
        {
            "sse3" => "pni",
            "lzcnt" => "abm",
            _ => plain,
        };
    }

    // QEMU's names for a model without transactional memory, with mitigations, and of a version: all of one level.
    [GeneratedRegex(@"(-noTSX|-IBRS|-IBPB|-v\d+)+$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Variant();
}
