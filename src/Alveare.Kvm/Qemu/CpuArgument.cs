namespace Alveare.Kvm.Qemu;

/// <summary>QEMU's <c>-cpu</c> for the CPU that a guest is to see.</summary>
/// <remarks>QEMU has no models for the levels of the x86-64 psABI (section 3.1.1, table 3.1): they are its base model and the features that
/// the level adds. Above level 2, which every host has, a feature that is not there ends the start instead of going missing silently.</remarks>
internal static class CpuArgument
{
    private const string Level1 = "qemu64,-svm";
    private const string Level2 = $"{Level1},+cx16,+lahf-lm,+popcnt,+ssse3,+sse4.1,+sse4.2";
    private const string Level3 = $"{Level2},+abm,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+movbe,+xsave";
    private const string Level4 = $"{Level3},+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl";

    /// <param name="model">A level, or a model as QEMU names it, with its own additions if there are any.</param>
    public static string Of(string model) => model switch
    {
        "x86-64-v1" => Level1,
        "x86-64-v2" => Level2,
        "x86-64-v3" => $"{Level3},enforce=on",
        "x86-64-v4" => $"{Level4},enforce=on",
        _ => model,
    };
}
