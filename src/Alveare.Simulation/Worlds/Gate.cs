namespace Alveare.Simulation.Worlds;

/// <summary>Lets one in at a time, in the order they came.</summary>
public sealed class Gate
{
    private readonly Queue<TaskCompletionSource> waiting = new();
    private bool isTaken;

    /// <summary>Enters; dispose the answer to leave.</summary>
    public async Task<IDisposable> EnterAsync()
    {
        if (isTaken)
        {
            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting.Enqueue(turn);
            await turn.Task;
        }

        isTaken = true;
        return new Exit(this);
    }

    private void Leave()
    {
        // Handed over directly: nobody slips in before the next in the queue.
        if (waiting.TryDequeue(out var next))
            next.SetResult();
        else
            isTaken = false;
    }

    private sealed class Exit(Gate gate) : IDisposable
    {
        private Gate? gate = gate;

        public void Dispose()
        {
            gate?.Leave();
            gate = null;
        }
    }
}
