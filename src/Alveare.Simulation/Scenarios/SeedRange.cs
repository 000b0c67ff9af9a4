namespace Alveare.Simulation.Scenarios;

/// <summary>Many seeds, each on one thread from its beginning to its end.</summary>
public static class SeedRange
{
    /// <summary>Runs seeds until all are done or one breaks an invariant; answers the lowest that did among those that were run, or null.</summary>
    /// <param name="threads">How many to run at once.</param>
    /// <param name="seen">Told of every result, by any of the threads.</param>
    /// <param name="scenario">Runs a seed; null for <see cref="Scenario"/>.</param>
    public static ScenarioResult? Run(int first, int count, int threads, Action<ScenarioResult>? seen = null, Func<int, ScenarioResult>? scenario = null)
    {
        ScenarioResult? worst = null;
        var gate = new Lock();
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, (index, loop) =>
        {
            var result = scenario is null ? Scenario.Run(first + index) : scenario(first + index);
            seen?.Invoke(result);
            if (result.IsSound)
                return;
            lock (gate)
                worst = worst is null || result.Seed < worst.Seed ? result : worst;
            loop.Break();
        });
        return worst;
    }
}
