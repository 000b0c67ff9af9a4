using Alveare.Core.Hosts;
using Alveare.Model.Faults;

namespace Alveare.Simulation.Sites;

/// <summary>Somebody who waits for a host's answer. The progress reaches the caller where it called from.</summary>
internal sealed class SimulatedCall<T>(IProgress<HostProgress>? progress) : IProgress<HostProgress>
{
    private readonly TaskCompletionSource<T> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SynchronizationContext? caller = SynchronizationContext.Current;

    public bool IsOver => outcome.Task.IsCompleted;

    /// <summary>Waits for the end; cancelling stops the waiting alone.</summary>
    public async Task<T> WaitAsync(CancellationToken cancellation)
    {
        using (cancellation.Register(() => outcome.TrySetCanceled(cancellation)))
            return await outcome.Task;
    }

    public void Answer(T reply) => outcome.TrySetResult(reply);

    public void Fail(Fault fault) => outcome.TrySetException(new FaultException(fault));

    public void Report(HostProgress value)
    {
        if (progress is null || IsOver)
            return;
        if (caller is null)
            progress.Report(value);
        else
            caller.Post(_ => progress.Report(value), null);
    }
}
