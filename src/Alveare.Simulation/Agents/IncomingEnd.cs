using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>The destination's end: waits for the memory, then runs the guest if it wins the lock, and ends without a trace if not.</summary>
internal sealed class IncomingEnd(AgentMachine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
    : MigrationEnd(machine, run, record, ground)
{
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(60);

    private Stage stage = Stage.Waiting;
    private string? giveUpReason;

    private enum Stage
    {
        Waiting,
        Claiming,
        GivenUp,
    }

    public override Task CancelAsync()
    {
        GiveUp("it was cancelled");
        return Task.CompletedTask;
    }

    public override async Task<bool> OnProcessEndedAsync()
    {
        // The lock is asked, not the stage: an earlier agent, or this host before it went down, may have won it.
        if (await ReadLockAsync() is var held && held.Owner == Ground.Host && held.Epoch == NextEpoch)
        {
            Around.Machines.Keep(Machine);
            Qemu.Record = Qemu.Record with { LockEpoch = NextEpoch, Migration = null };
            Fail($"its process ended at the destination: {Qemu.EndCause}", runsOn: null);
            return false;
        }

        stage = Stage.GivenUp;
        using (await Machine.EnterAsync())
        {
            Ground.Disk.Processes.Remove(Qemu);
            Machine.Run = null;
            Around.Machines.Return(Machine);
        }

        Run.CleanedUp.TrySetResult();
        Fail(giveUpReason ?? $"the destination's process ended: {Qemu.EndCause}", TryReadLock()?.OwnerName);
        return true;
    }

    protected override async Task RunAsync()
    {
        if (await AwaitMemoryAsync() is { } reason)
        {
            GiveUp(reason);
            return;
        }

        var arrived = World.Time.GetTimestamp();
        if (stage != Stage.Waiting || Qemu.HasEnded)
            return;
        stage = Stage.Claiming;
        var isOurs = await Ground.InsistAsync(
            () => !Qemu.HasEnded && Claim(), e => Fail($"its guest cannot go on at the destination yet: {e.Message}", runsOn: null));
        if (Qemu.HasEnded)
            return;
        if (!isOurs && World.Defect != Defect.DestinationSkipsLock)
        {
            stage = Stage.Waiting;
            GiveUp("the source took the machine back before all of it had arrived");
            return;
        }

        Qemu.Record = Qemu.Record with { LockEpoch = NextEpoch };
        await World.PauseAsync(3);
        if (Qemu.HasEnded)
            return;
        Qemu.Continue();
        await SettleAsync(World.Time.GetElapsedTime(arrived));
    }

    /// <summary>Waits until QEMU has everything; answers why it never will, or null.</summary>
    private async Task<string?> AwaitMemoryAsync()
    {
        var began = World.Time.GetTimestamp();
        while (true)
        {
            if (Qemu.HasEnded)
                return Qemu.EndCause;
            if (Qemu.Transfer.State == TransferState.Completed)
                return null;
            if (Qemu.Transfer.State == TransferState.Active && Machine.Current.Migration?.Phase == MigrationPhase.Prepare)
                Enter(MigrationPhase.Transfer);
            if (Qemu.Transfer.State == TransferState.None && World.Time.GetElapsedTime(began) > ConnectTimeout)
                return $"the source did not connect within {ConnectTimeout.TotalSeconds} s";
            if (TryReadLock() is { } held && held.Epoch >= NextEpoch && held.Owner != Ground.Host)
                return "the source took the machine back";
            await Qemu.Changed.WaitAsync(LockInterval);
        }
    }

    // An agent that ended after winning finds itself the owner.
    private bool Claim() => Ground.TryPublish(Qemu.Config, NextEpoch, owned: true)
        || (Ground.ReadLock(Qemu.Config) is var held && held.Epoch == NextEpoch && held.Owner == Ground.Host);

    private async Task SettleAsync(TimeSpan switchTime)
    {
        using (await Machine.EnterAsync())
        {
            if (Machine.Run != Run)
                return;
            Qemu.Record = Qemu.Record with { Migration = null, ArrivedBy = Record.Id };
            Around.Machines.Keep(Machine);
            Machine.Change(m => m with { Power = PowerState.On, StartedAt = Qemu.Record.StartedAt, CpuModel = Qemu.Record.CpuModel, LockEpoch = NextEpoch, Migration = null });
        }

        Succeed(new IncomingFinished(switchTime, Machine.Current));
    }

    private void GiveUp(string reason)
    {
        if (stage != Stage.Waiting)
            return;
        stage = Stage.GivenUp;
        giveUpReason = reason;
        Run.EndReason = EndReason.MovedAway;
        Qemu.Kill($"given up: {reason}");
    }
}
