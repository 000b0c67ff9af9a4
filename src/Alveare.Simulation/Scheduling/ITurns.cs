namespace Alveare.Simulation.Scheduling;

/// <summary>Lets one piece of a simulation run at a time: by the seed (<see cref="Scheduler"/>), or as it comes (<see cref="SerialTurns"/>).</summary>
public interface ITurns
{
    /// <summary>Runs something later, when its turn comes.</summary>
    void Enqueue(Turn turn);

    /// <summary>Runs something at once, while nothing else runs.</summary>
    void Enter(Realm realm, Action action);
}

/// <summary>One piece of work that waits for its turn.</summary>
public readonly record struct Turn(Realm Realm, SendOrPostCallback Callback, object? State)
{
    public void Run()
    {
        if (Realm.IsDead)
            return;
        var outer = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(Realm);
        try
        {
            Callback(State);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(outer);
        }
    }
}
