using Alveare.Kvm.Machines;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Migration;

/// <summary>Writes down that a machine which came here is this host's: at once, or as soon as that can be done.</summary>
internal sealed class Arrival(Machine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    public void WriteDown()
    {
        if (TryWriteDown() is not { } why)
            return;
        ground.Power.Raise(
            "vm.not-written-down", machine,
            $"Virtual machine '{machine.Name}' came to this host, and that cannot be written down: {why.TrimEnd('.')}. It is tried again; an agent that is restarted before may not know the machine.",
            isProblem: true);
        _ = WriteDownLaterAsync();
    }

    private async Task WriteDownLaterAsync()
    {
        while (!ground.Stopping.IsCancellationRequested)
        {
            await Task.WhenAny(Task.Delay(Interval, ground.Stopping));
            try
            {
                using var entered = await machine.EnterAsync(ground.Stopping);
                if (TryWriteDown() is null)
                    return;
            }
            catch (Exception e) when (e is FaultException or OperationCanceledException)
            {
                // It is not this host's any more, or the agent ends.
                return;
            }
        }
    }

    /// <summary>Answers why it could not be done, or null.</summary>
    private string? TryWriteDown()
    {
        try
        {
            // In this order: an agent that finds the migration in the run's record goes on with it, to here.
            ground.Machines.Keep(machine);
            if (machine.Run == run && (run.Record.Migration is null || run.Record.Migration.Id == record.Id))
                run.Remember(r => r with { Migration = null, ArrivedBy = record.Id });
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }
}
