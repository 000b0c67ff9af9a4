using System.Runtime.CompilerServices;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Simulation.Agents;

/// <summary>The changes of a host on their way to one watcher.</summary>
public sealed class Subscription
{
    private readonly Lock gate = new();
    private readonly Queue<HostChange> queue = new();
    private TaskCompletionSource? waiter;
    private Fault? end;

    public void Put(HostChange change)
    {
        lock (gate)
        {
            if (end is null)
                queue.Enqueue(change);
            Wake();
        }
    }

    /// <summary>The watcher hears of nothing more but this; what it has not read yet is lost.</summary>
    public void End(Fault fault)
    {
        lock (gate)
        {
            end ??= fault;
            queue.Clear();
            Wake();
        }
    }

    public async IAsyncEnumerable<HostChange> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Take(out var waiting) is { } change)
            {
                yield return change;
                continue;
            }

            using (cancellation.Register(() => waiting!.TrySetCanceled(cancellation)))
                await waiting!.Task;
        }
    }

    private HostChange? Take(out TaskCompletionSource? waiting)
    {
        lock (gate)
        {
            waiting = null;
            if (queue.TryDequeue(out var change))
                return change;
            if (end is not null)
                throw new FaultException(end);
            waiting = waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return null;
        }
    }

    private void Wake()
    {
        waiter?.TrySetResult();
        waiter = null;
    }
}
