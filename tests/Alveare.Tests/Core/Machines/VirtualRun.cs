using Alveare.Simulation.Scheduling;

namespace Alveare.Tests.Core.Machines;

/// <summary>Runs a test on one thread and in virtual time: minutes are over in a moment, and on a machine however busy nothing in it comes too late.</summary>
internal static class VirtualRun
{
    /// <summary>More than any test takes, so that one that waits for what never comes fails instead.</summary>
    private const long MaxTurns = 1_000_000;

    public static void Of(Func<Scheduler, Task> test)
    {
        var scheduler = new Scheduler(new Random(7));
        scheduler.Run(new Realm(scheduler, "test"), () => test(scheduler), MaxTurns);
    }
}
