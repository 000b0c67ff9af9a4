namespace Alveare.Kvm.Machines;

/// <summary>Takes half-done work back, last step first, unless <see cref="Keep"/> was called.</summary>
public sealed class UndoStack : IAsyncDisposable
{
    private readonly Stack<Func<Task>> steps = new();

    public void Push(Action step) => steps.Push(() =>
    {
        step();
        return Task.CompletedTask;
    });

    public void Push(Func<Task> step) => steps.Push(step);

    /// <summary>The work is whole: nothing is taken back.</summary>
    public void Keep() => steps.Clear();

    public async ValueTask DisposeAsync()
    {
        while (steps.TryPop(out var step))
        {
            try
            {
                await step();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The steps below must be taken back all the same; the fault that started this is what the caller hears of.
            }
        }
    }
}
