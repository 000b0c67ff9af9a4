using System.Diagnostics;
using Alveare.Tests.Architecture;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary>The script at the root of a checkout, as far as it goes without building anything.</summary>
public sealed class ScriptTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("test", "test matrix [TIMES]")]
    [InlineData("lab", "lab status|stop|env")]
    [InlineData("bench", "measure these")]
    [InlineData("simulate", "--seed N")]
    [InlineData("build", "build everything")]
    public async Task EachOfItsWordsExplainsItself(string word, string expected)
    {
        var (code, said, error) = await RunAsync(word, "--help");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(expected, said, StringComparison.Ordinal);
        Assert.All(said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l[2] != ' '), l => Assert.StartsWith($"  {word} ", l, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("lab fly", "there is no 'lab fly'; expected: lab, lab status, lab stop or lab env")]
    [InlineData("lab status now", "'now' is a word too many; expected: lab status")]
    [InlineData("test fly", "there are no tests named 'fly'; expected: unit, machine, cluster or matrix")]
    [InlineData("test unit 3", "'3' is a word too many; expected: test unit")]
    [InlineData("test matrix 3 4", "'4' is a word too many; expected: test matrix 3")]
    [InlineData("test matrix x", "'x' is no number of times; expected: 1 or more")]
    [InlineData("build all", "'all' is a word too many; expected: build")]
    public async Task AWrongWordIsSaid(string line, string expected) =>
        Assert.Equal((2, "", $"alveare: {expected}\n"), await RunAsync(line.Split(' ')));

    private static async Task<(int Code, string Out, string Error)> RunAsync(params string[] words)
    {
        var start = new ProcessStartInfo(Path.Combine(Checkout.Root, "alveare"), words) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var script = Process.Start(start)!;
        var (said, error) = (script.StandardOutput.ReadToEndAsync(Cancellation), script.StandardError.ReadToEndAsync(Cancellation));
        await script.WaitForExitAsync(Cancellation);
        return (script.ExitCode, await said, await error);
    }
}
