using Alveare.Model.Faults;

namespace Alveare.Core.Tasks;

/// <summary>What to take back when an operation fails half-way: last done, first undone. Disposing it takes back what was not cleared.</summary>
public sealed class UndoStack : IAsyncDisposable
{
    private readonly Stack<Func<Task>> _steps = new();

    /// <summary>Remembers how to take back what was just done.</summary>
    public void Push(Func<Task> step) => _steps.Push(step);

    public void Push(Action step) => Push(() =>
    {
        step();
        return Task.CompletedTask;
    });

    /// <summary>Everything went well: nothing will be taken back.</summary>
    public void Clear() => _steps.Clear();

    /// <summary>Takes everything back; a step that fails does not keep the others from being tried. Answers the faults.</summary>
    public async Task<IReadOnlyList<Fault>> UnwindAsync()
    {
        var faults = new List<Fault>();
        while (_steps.TryPop(out var step))
        {
            try
            {
                await step();
            }
            catch (FaultException e)
            {
                faults.Add(e.Fault);
            }
            catch (Exception e)
            {
                // A bug in taking back must not keep the task from ending.
                faults.Add(new HostOperationFailed("Taking a step back", e.Message));
            }
        }

        return faults;
    }

    /// <summary>The fault that ended the operation is what its caller hears of, not those of taking back.</summary>
    public async ValueTask DisposeAsync() => await UnwindAsync();
}
