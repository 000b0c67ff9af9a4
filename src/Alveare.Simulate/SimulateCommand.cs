using System.Diagnostics;
using System.Globalization;
using Alveare.Simulation.Scenarios;

namespace Alveare.Simulate;

/// <summary><c>./alveare simulate</c>: replays one seed, or runs many.</summary>
public static class SimulateCommand
{
    private const string Usage = """
        usage: ./alveare simulate --seed N [--seeds COUNT] [--balancing | --power] [--verbose]

          --seed N       the (first) seed, 0 or more
          --seeds COUNT  run COUNT seeds from N on, all cores at once; stops at the first that breaks an invariant
          --balancing    days of a cluster that balances itself, instead of minutes of a small site
          --power        days and nights of a cluster whose hosts sleep and are woken
          --verbose      print the history of every seed, step by step

        exit status: 0 all invariants held, 1 one was broken, 2 the command line is wrong
        """;

    public static int Run(string[] arguments, TextWriter output, TextWriter errors)
    {
        if (arguments is ["--help" or "-h"])
        {
            output.WriteLine(Usage);
            return 0;
        }

        if (Parse(arguments, out var first, out var count, out var scenario, out var isVerbose) is { } problem)
        {
            errors.WriteLine($"alveare simulate: {problem}");
            errors.WriteLine(Usage);
            return 2;
        }

        return count == 1 || isVerbose
            ? Replay(first, count, scenario, isVerbose, output)
            : RunMany(first, count, scenario, output);
    }

    private static int Replay(int first, int count, Func<int, bool, ScenarioResult> scenario, bool isVerbose, TextWriter output)
    {
        for (var seed = first; seed < first + count; seed++)
        {
            var result = scenario(seed, isVerbose);
            foreach (var line in result.History)
                output.WriteLine(line);
            output.WriteLine(result);
            if (!result.IsSound)
                return 1;
        }

        return 0;
    }

    private static int RunMany(int first, int count, Func<int, bool, ScenarioResult> scenario, TextWriter output)
    {
        var watch = Stopwatch.StartNew();
        long turns = 0, operations = 0, seeds = 0, virtualSeconds = 0;
        var broken = SeedRange.Run(first, count, Environment.ProcessorCount, result =>
        {
            Interlocked.Increment(ref seeds);
            Interlocked.Add(ref turns, result.Turns);
            Interlocked.Add(ref operations, result.Succeeded + result.Failed);
            Interlocked.Add(ref virtualSeconds, (long)result.VirtualTime.TotalSeconds);
        },
        seed => scenario(seed, false));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{seeds} seeds in {watch.Elapsed.TotalSeconds:0.0} s: {operations} operations, {turns} turns, {virtualSeconds / 3600.0:0} virtual hours"));
        output.WriteLine(broken is null ? "all invariants held" : broken.ToString());
        return broken is null ? 0 : 1;
    }

    private static string? Parse(string[] arguments, out int seed, out int count, out Func<int, bool, ScenarioResult> scenario, out bool isVerbose)
    {
        (seed, count, scenario, isVerbose) = (-1, 1, (number, keepHistory) => Scenario.Run(number, keepHistory: keepHistory), false);
        for (var index = 0; index < arguments.Length; index++)
        {
            switch (arguments[index])
            {
                case "--balancing":
                    scenario = (number, keepHistory) => BalanceScenario.Run(number, keepHistory: keepHistory);
                    break;
                case "--power":
                    scenario = (number, keepHistory) => PowerScenario.Run(number, keepHistory: keepHistory);
                    break;
                case "--verbose":
                    isVerbose = true;
                    break;
                case "--seed" or "--seeds" when index + 1 == arguments.Length:
                    return $"{arguments[index]} needs a number";
                case "--seed":
                    if (!TryRead(arguments[++index], 0, out seed))
                        return $"--seed is '{arguments[index]}', expected a whole number from 0 to {int.MaxValue}";
                    break;
                case "--seeds":
                    if (!TryRead(arguments[++index], 1, out count))
                        return $"--seeds is '{arguments[index]}', expected a whole number from 1 on";
                    break;
                default:
                    return $"'{arguments[index]}' is not known here";
            }
        }

        return seed < 0 ? "--seed is missing" : seed > int.MaxValue - count ? "there are no seeds so high" : null;
    }

    private static bool TryRead(string text, int least, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= least;
}
