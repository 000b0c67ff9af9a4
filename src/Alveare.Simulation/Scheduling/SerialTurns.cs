namespace Alveare.Simulation.Scheduling;

/// <summary>Turns on real threads, in the order asked: for tests and benches that use simulated hosts in ordinary programs.</summary>
public sealed class SerialTurns : ITurns
{
    private readonly Lock gate = new();
    private readonly Queue<Turn> waiting = new();

    public void Enqueue(Turn turn)
    {
        lock (waiting)
        {
            waiting.Enqueue(turn);
            if (waiting.Count > 1)
                return;
        }

        ThreadPool.UnsafeQueueUserWorkItem(_ => RunAll(), null);
    }

    public void Enter(Realm realm, Action action)
    {
        lock (gate)
            new Turn(realm, _ => action(), null).Run();
    }

    // The turn that runs stays in the queue until it is over, so that the next one to be asked for does not start a second runner.
    private void RunAll()
    {
        while (true)
        {
            Turn turn;
            lock (waiting)
                turn = waiting.Peek();
            lock (gate)
                turn.Run();
            lock (waiting)
            {
                waiting.Dequeue();
                if (waiting.Count == 0)
                    return;
            }
        }
    }
}
