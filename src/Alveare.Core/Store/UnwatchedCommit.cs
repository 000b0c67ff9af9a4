using Alveare.Model.Faults;

namespace Alveare.Core.Store;

/// <summary>Commits that nobody waits for.</summary>
public static class UnwatchedCommit
{
    /// <summary>Queues writes whose loss is no loss: a store that cannot write fails the operations that matter with the reason.</summary>
    public static void CommitUnwatched(this IStore store, IReadOnlyList<StoreWrite> writes)
    {
        if (writes.Count > 0)
            _ = IgnoreFaultAsync(store.CommitAsync(writes));
    }

    private static async Task IgnoreFaultAsync(Task commit)
    {
        try
        {
            await commit;
        }
        catch (FaultException)
        {
            // Said by whoever waits for a commit of its own.
        }
    }
}
