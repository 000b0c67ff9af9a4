using Alveare.Core.Hosts;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Tasks;

namespace Alveare.Core.Migration;

/// <summary>One live migration, from the first word to the target to the machine running in exactly one place.</summary>
/// <remarks>
/// The hosts and the on-disk lock decide; this asks them to begin, tells of the progress, and finds out how it went. Killed anywhere in
/// here, the engine finds the task with its <see cref="TaskRecord.Move"/> when it starts again, and the machine where the hosts say that it
/// is: nothing is written into the inventory here but what a host has said.
/// </remarks>
internal sealed class LiveMigration(MachineGround ground, VirtualMachine vm, MachineMove move, MigrationSettings settings, string? cpuModel, TaskContext context)
{
    private readonly MigrationSettling _settling = new(ground, vm.Id, move);
    private readonly Watch _watch = new(context);
    private int _away;
    private Fault? _firstFault;
    private TimeSpan? _arrivedAfter;

    /// <summary>Answers what it cost, or null where that is not known.</summary>
    public async Task<MigrationFigures?> RunAsync(long lockEpoch)
    {
        var began = ground.Clock.GetTimestamp();
        var uri = await PrepareAsync(lockEpoch);
        context.Report(0, "transfer");
        using var asking = new CancellationTokenSource();
        var sending = UntilToldAsync(move.Source, () => SendAsync(uri), asking);
        var arriving = UntilToldAsync(move.Target, () => AwaitIncomingAsync(began), asking);
        if (await arriving is { } arrived)
        {
            return await SucceedAsync(sending, arrived);
        }

        await sending;
        // Asked again, the source answers as it would have the first time, and tells of its progress until then.
        var found = await _settling.FindAsync(_ => SendAsync(uri), CancellationToken.None);
        if (found == Whereabouts.OnTarget)
        {
            context.SetResult(move.Target);
            return null;
        }

        await _settling.CancelOnAsync(move.Target);
        if (found == Whereabouts.OnSource)
            context.Cancellation.ThrowIfCancellationRequested();
        throw new FaultException(_settling.FaultOf(found, _firstFault is null ? "the hosts gave it up" : ReasonOf(_firstFault)));
    }

    private async Task<string> PrepareAsync(long lockEpoch)
    {
        context.Report(null, $"preparing host '{ground.NameOf(move.Target)}'");
        context.SetMove(move);
        await context.RememberAsync();
        context.Cancellation.ThrowIfCancellationRequested();
        try
        {
            // Not cancelled half-way: a host that is told to give up what it has not yet begun would begin it all the same.
            var reply = await ground.Hosts.ExecuteAsync(
                move.Target, new PrepareIncoming(move.Migration, vm.Id, vm.Config, move.Source, lockEpoch, settings, cpuModel), null, CancellationToken.None);
            context.Cancellation.ThrowIfCancellationRequested();
            return reply is IncomingReady ready
                ? ready.Uri
                : throw new FaultException(new HostAnswerInvalid(ground.NameOf(move.Target), $"it was told to prepare a migration and answered {reply.GetType().Name}"));
        }
        catch
        {
            // Also when the answer was lost: nothing has left the source, and a process that waits at the target waits in vain.
            await _settling.CancelOnAsync(move.Target);
            throw;
        }
    }

    /// <summary>Asks one end how it went, and when the answer is lost once more when that host is back, unless the other end has told it by then.
    /// Answers null when it is not known to have gone well.</summary>
    /// <remarks>A source whose agent ended before it had begun begins when it is asked again; one whose target has lost its process is told so at once.</remarks>
    /// <param name="asking">Ends when one end has told, or both are away: then neither is asked again.</param>
    private async Task<T?> UntilToldAsync<T>(EntityId host, Func<Task<Answer<T>>> ask, CancellationTokenSource asking)
        where T : HostReply
    {
        while (true)
        {
            var answer = await ask();
            if (!answer.IsLost || Interlocked.Increment(ref _away) == 2)
                asking.Cancel();
            if (!answer.IsLost || !await IsBackAsync(host, asking.Token))
                return answer.Reply;
            Interlocked.Decrement(ref _away);
        }
    }

    private async Task<bool> IsBackAsync(EntityId host, CancellationToken asking)
    {
        try
        {
            await Task.Delay(MigrationSettling.AskAgain, ground.Clock, asking);
            await ground.Hosts.ObserveUntilKnownAsync(host, $"Migrating '{vm.Name}'", asking);
            return true;
        }
        catch (Exception e) when (e is FaultException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>The source's end: it begins, or says how it went if it has begun.</summary>
    private async Task<Answer<SendFinished>> SendAsync(string uri)
    {
        try
        {
            var answer = ground.Hosts.ExecuteAsync(
                move.Source, new SendMachine(move.Migration, vm.Id, move.Target, uri, settings), _watch, CancellationToken.None);
            using var cancelling = context.Cancellation.Register(() => _ = CancelUntilEndedAsync(answer));
            var reply = await answer;
            context.PointOfNoReturn ??= "the machine is on its new host";
            return new(reply as SendFinished);
        }
        catch (FaultException e)
        {
            _firstFault ??= e.Fault;
            // A source whose answer was lost may still be sending.
            if (e.Fault is HostNotConnected)
                return new(null, IsLost: true);
            // The target may wait for a connection that will never come.
            await _settling.CancelOnAsync(move.Target);
            return default;
        }
    }

    // The source alone can say whether a cancellation comes in time. It is told more than once: the first time may come before it has begun.
    private async Task CancelUntilEndedAsync(Task sending)
    {
        while (!sending.IsCompleted)
        {
            await _settling.CancelOnAsync(move.Source);
            await Task.Delay(MigrationSettling.AskAgain, ground.Clock);
        }
    }

    /// <summary>The target's end: the machine runs there, or never will.</summary>
    private async Task<Answer<IncomingFinished>> AwaitIncomingAsync(long began)
    {
        try
        {
            var reply = await ground.Hosts.ExecuteAsync(move.Target, new AwaitIncoming(move.Migration), null, CancellationToken.None);
            _arrivedAfter = ground.Clock.GetElapsedTime(began);
            context.PointOfNoReturn ??= "the machine is on its new host";
            return new(reply as IncomingFinished);
        }
        catch (FaultException e)
        {
            _firstFault ??= e.Fault;
            if (e.Fault is HostNotConnected)
                return new(null, IsLost: true);
            await _settling.CancelOnAsync(move.Source);
            return default;
        }
    }

    private async Task<MigrationFigures?> SucceedAsync(Task<SendFinished?> sending, IncomingFinished arrived)
    {
        context.SetResult(move.Target);
        context.Report(99, "cleaning up the source");
        // The machine runs where it should: figures that do not come are left out.
        if (await sending is not { } sent)
            return null;
        var figures = new MigrationFigures(_arrivedAfter ?? sent.Total, sent.Pause + arrived.SwitchTime, sent.Transferred, _watch.DirtyBytesPerSecond);
        context.SetFigures(figures);
        return figures;
    }

    private static string ReasonOf(Fault fault) => fault is MigrationFailed failed ? failed.Reason : fault.Message.TrimEnd('.');

    /// <summary>What one end says.</summary>
    /// <param name="Reply">Null when it did not go well, or is not known.</param>
    /// <param name="IsLost">The host went away before it answered.</param>
    private readonly record struct Answer<T>(T? Reply, bool IsLost = false)
        where T : HostReply;

    /// <summary>Tells the task how far the source is, and takes note of how fast the guest writes.</summary>
    private sealed class Watch(TaskContext context) : IProgress<HostProgress>
    {
        private double _dirty;
        private int _looks;

        /// <summary>The mean of what was reported, or 0 when nothing was.</summary>
        public double DirtyBytesPerSecond => _looks == 0 ? 0 : _dirty / _looks;

        public void Report(HostProgress value)
        {
            if (value.Migration is { Phase: >= MigrationPhase.Switch })
                context.PointOfNoReturn ??= MigrationSettling.Switching;
            // QEMU 7.2 reports none before all memory was sent once, and none when it is done.
            if (value.Migration is { DirtyBytesPerSecond: > 0 and var dirty })
                (_dirty, _looks) = (_dirty + dirty, _looks + 1);
            context.Report(value.Percent is { } percent ? Math.Min(percent, 99) : null, value.Step, value.Migration);
        }
    }
}
