using Alveare.Model;

namespace Alveare.Kvm.Files;

/// <summary>Runs what looks at a datastore on a thread of that datastore's own, one after the other: a datastore that hangs keeps nothing waiting
/// but what needs it.</summary>
/// <remarks>Not on the thread pool: a call to a network file system whose server is away does not return, and a few of them would be all
/// threads that the pool has at once.</remarks>
public sealed class DatastoreThreads
{
    private readonly Lock sync = new();
    private readonly Dictionary<EntityId, Task> last = [];

    /// <summary>Ends when <paramref name="look"/> has ended, which is after all that was asked for of the datastore before.</summary>
    public Task RunAsync(EntityId datastore, Action look)
    {
        lock (sync)
        {
            return last[datastore] = last.GetValueOrDefault(datastore, Task.CompletedTask).ContinueWith(
                _ => look(), CancellationToken.None, TaskContinuationOptions.LongRunning | TaskContinuationOptions.DenyChildAttach, TaskScheduler.Default);
        }
    }

    /// <summary>Looks at once, on a thread for this look alone: whoever asks whether a datastore answers does not wait behind others.</summary>
    public static Task<T> Alone<T>(Func<T> look) =>
        Task.Factory.StartNew(look, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);

    /// <summary>As the other one, for what answers nothing.</summary>
    public static Task Alone(Action look) => Alone(() =>
    {
        look();
        return true;
    });
}
