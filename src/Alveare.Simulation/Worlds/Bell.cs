namespace Alveare.Simulation.Worlds;

/// <summary>Wakes whoever waits for something to change.</summary>
/// <remarks>Waiters await the source itself: anything in between (<c>WaitAsync</c>, <c>WhenAny</c>) would hop over a thread of the pool,
/// which the scheduler does not see.</remarks>
public sealed class Bell(World world)
{
    private readonly List<TaskCompletionSource> waiting = [];

    public void Ring()
    {
        TaskCompletionSource[] woken = [.. waiting];
        waiting.Clear();
        foreach (var waiter in woken)
            waiter.TrySetResult();
    }

    public Task WaitAsync()
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting.Add(waiter);
        return waiter.Task;
    }

    /// <summary>Waits for the bell, at most so long.</summary>
    public async Task WaitAsync(TimeSpan atMost)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting.Add(waiter);
        using (world.Time.CreateTimer(_ => waiter.TrySetResult(), null, atMost, Timeout.InfiniteTimeSpan))
            await waiter.Task;
        waiting.Remove(waiter);
    }
}
