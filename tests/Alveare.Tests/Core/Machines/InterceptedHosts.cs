using System.Runtime.CompilerServices;
using Alveare.Core.Hosts;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Host = Alveare.Model.Inventory.Host;

namespace Alveare.Tests.Core.Machines;

/// <summary>Hosts whose commands a test can hold up, refuse, or carry out and lose the answer of.</summary>
/// <param name="newLimit">Makes what ends a wait that takes too long.</param>
internal sealed class InterceptedHosts(IHostConnector inner, Func<CancellationTokenSource> newLimit) : IHostConnector
{
    private readonly Lock _gate = new();
    private readonly List<Interception> _interceptions = [];
    private readonly List<(EntityId Host, HostCommand Command)> _sent = [];

    /// <summary>Every command that an engine sent, in order.</summary>
    public IReadOnlyList<(EntityId Host, HostCommand Command)> Sent
    {
        get
        {
            lock (_gate)
                return [.. _sent];
        }
    }

    /// <summary>Told of the first progress of every command that tells of any.</summary>
    public Action? Begun { get; set; }

    /// <summary>What the watch of a host says is heard only when this has ended.</summary>
    public Func<EntityId, Task> Hearing { get; set; } = _ => Task.CompletedTask;

    /// <summary>The next command of this kind is carried out, but its answer does not arrive.</summary>
    public void LoseAnswer<T>(int times = 1)
        where T : HostCommand =>
        On<T>(
            async carryOut =>
            {
                await carryOut();
                throw new FaultException(new HostNotConnected("lost", "the connection broke before the answer came"));
            },
            times);

    /// <summary>The next command of this kind does not arrive.</summary>
    public void LoseCommand<T>()
        where T : HostCommand =>
        On<T>(_ => throw new FaultException(new HostNotConnected("lost", "the connection broke")));

    /// <summary>The next command of this kind is refused.</summary>
    public void Refuse<T>(Fault fault)
        where T : HostCommand =>
        On<T>(_ => throw new FaultException(fault));

    /// <summary>The next command of this kind is held up until it is released.</summary>
    public HeldCommand Hold<T>()
        where T : HostCommand
    {
        var held = new HeldCommand(newLimit);
        On<T>(async carryOut =>
        {
            held.HasArrived.SetResult();
            await held.Released.Task;
            return await carryOut();
        });
        return held;
    }

    /// <summary>Holds the next commands of this kind up until the answer is completed.</summary>
    public TaskCompletionSource Hold<T>(int times = 1)
        where T : HostCommand
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        On<T>(
            async carryOut =>
            {
                await release.Task;
                return await carryOut();
            },
            times);
        return release;
    }

    /// <summary>Does something of the test's own instead of the next commands of this kind.</summary>
    public void On<T>(Func<Func<Task<HostReply>>, Task<HostReply>> instead, int times = 1)
        where T : HostCommand
    {
        lock (_gate)
            _interceptions.Add(new Interception(typeof(T), instead) { Left = times });
    }

    public Task<JoinedHost> JoinAsync(HostInvitation invitation, CancellationToken cancellation) => inner.JoinAsync(invitation, cancellation);

    public IHost Connect(Host host) => new InterceptedHost(this, inner.Connect(host));

    public Task ReleaseAsync(Host host, CancellationToken cancellation) => inner.ReleaseAsync(host, cancellation);

    private async Task<HostReply> ExecuteAsync(EntityId host, HostCommand command, Func<Task<HostReply>> carryOut)
    {
        Interception? interception;
        lock (_gate)
        {
            _sent.Add((host, command));
            interception = _interceptions.FirstOrDefault(i => i.Command == command.GetType() && i.Left > 0);
            if (interception is not null)
                interception.Left--;
        }

        return interception is null ? await carryOut() : await interception.Instead(carryOut);
    }

    private sealed record Interception(Type Command, Func<Func<Task<HostReply>>, Task<HostReply>> Instead)
    {
        public int Left { get; set; }
    }

    private sealed class Overheard(InterceptedHosts all, IProgress<HostProgress> progress) : IProgress<HostProgress>
    {
        private bool _hasBegun;

        public void Report(HostProgress value)
        {
            progress.Report(value);
            if (_hasBegun)
                return;
            _hasBegun = true;
            all.Begun?.Invoke();
        }
    }

    private sealed class InterceptedHost(InterceptedHosts all, IHost host) : IHost
    {
        public EntityId Id => host.Id;

        public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation) => host.ObserveAsync(cancellation);

        public async IAsyncEnumerable<HostChange> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
        {
            await foreach (var change in host.WatchAsync(cancellation))
            {
                await all.Hearing(host.Id).OrCancelledAsync(cancellation);
                yield return change;
            }
        }

        public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation) =>
            all.ExecuteAsync(host.Id, command, () => host.ExecuteAsync(command, progress is null ? null : new Overheard(all, progress), cancellation));

        public Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation) => host.OpenAsync(channel, cancellation);

        public ValueTask DisposeAsync() => host.DisposeAsync();
    }
}

/// <summary>A command on its way that a test holds in its hand.</summary>
internal sealed class HeldCommand(Func<CancellationTokenSource> newLimit)
{
    public TaskCompletionSource HasArrived { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Released { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task ArrivedAsync()
    {
        using var limit = newLimit();
        await HasArrived.Task.OrCancelledAsync(limit.Token);
    }

    public void Release() => Released.TrySetResult();
}
