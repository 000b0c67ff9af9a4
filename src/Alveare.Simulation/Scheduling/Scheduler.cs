using System.Diagnostics;

namespace Alveare.Simulation.Scheduling;

/// <summary>Runs everything of a simulation on the caller's thread, one piece at a time, in an order that only the seed decides.</summary>
/// <remarks>Time passes when nothing else is left to run. A continuation that comes from another thread has left the simulation and would
/// come back at a moment that no seed decides: it is an error that names the method.</remarks>
public sealed class Scheduler : ITurns
{
    // How long to look for a continuation on its way through the pool before giving up: it explains why nothing can run. A busy machine's
    // pool takes longer to begin work than the work takes to come back.
    private static readonly TimeSpan PoolPatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LeakPatience = TimeSpan.FromMilliseconds(500);

    private readonly Random dice;
    private readonly Thread thread = Thread.CurrentThread;
    private readonly List<Turn> ready = [];
    private readonly Lock leakGate = new();
    private string? leak;

    public Scheduler(Random dice)
    {
        this.dice = dice;
        Time = new VirtualTime(this, dice);
    }

    public VirtualTime Time { get; }

    /// <summary>Pieces of work that were run.</summary>
    public long Turns { get; private set; }

    public void Enqueue(Turn turn)
    {
        if (Thread.CurrentThread == thread)
            ready.Add(turn);
        else
            Leaked($"{Describe(turn)} came back from a thread of the pool:\n{new StackTrace(1)}");
    }

    public void Enter(Realm realm, Action action)
    {
        if (Thread.CurrentThread != thread)
            Leaked($"'{realm.Name}' was entered from a thread of the pool:\n{new StackTrace(1)}");
        new Turn(realm, _ => action(), null).Run();
    }

    /// <summary>Runs work and everything it sets going until the work is done.</summary>
    /// <param name="maxTurns">More is taken for work that never ends.</param>
    public void Run(Realm realm, Func<Task> work, long maxTurns)
    {
        var done = realm.RunAsync(work);
        var last = Turns + maxTurns;
        while (!done.IsCompleted)
        {
            if (Turns > last)
                throw new SchedulingException($"The work did not end in {maxTurns} turns; the time is {Time.GetUtcNow():O}.");
            if (!RunOne())
                AwaitLeak();
            if (leak is not null)
                throw new SchedulingException(leak);
        }

        done.GetAwaiter().GetResult();
    }

    private bool RunOne()
    {
        if (ready.Count == 0)
            return Time.Advance();
        var index = dice.Next(ready.Count);
        var turn = ready[index];
        ready[index] = ready[^1];
        ready.RemoveAt(ready.Count - 1);
        Turns++;
        turn.Run();
        return true;
    }

    private void AwaitLeak()
    {
        // The pool takes the work of one thread in its order: when it begins this, it has begun whatever was given to it before.
        var begun = new TaskCompletionSource();
        ThreadPool.UnsafeQueueUserWorkItem(_ => begun.SetResult(), (object?)null, preferLocal: true);
        begun.Task.Wait(PoolPatience);
        Thread.CurrentThread.Join(LeakPatience);
        lock (leakGate)
            leak ??= "Nothing can run any more and the work is not done: somebody waits for what never comes.";
    }

    private void Leaked(string what)
    {
        lock (leakGate)
            leak ??= $"Work left the scheduler: {what}";
    }

    private static string Describe(Turn turn) =>
        $"{turn.Realm.Name}: {(turn.State as Delegate)?.Target?.GetType().ToString() ?? turn.Callback.Method.ToString()}";
}

/// <summary>The work of a simulation broke the scheduler's rules.</summary>
public sealed class SchedulingException(string message) : Exception(message);
