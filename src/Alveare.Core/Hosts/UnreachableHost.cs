using System.Runtime.CompilerServices;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Core.Hosts;

/// <summary>A joined host that no connection can even be made for, such as one with an address this version does not understand: it is shown
/// with the reason like any other that does not answer, and keeps nobody from starting.</summary>
internal sealed class UnreachableHost(EntityId id, Fault reason) : IHost
{
    public EntityId Id => id;

    public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation) => throw new FaultException(reason);

    public async IAsyncEnumerable<HostChange> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.FromException(new FaultException(reason));
        yield break;
    }

    public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation) =>
        throw new FaultException(reason);

    public Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation) => throw new FaultException(reason);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
