using Alveare.Kvm.Locks;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Migration;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm;

/// <summary>Brings a restarted agent up to what is: registered machines, the QEMUs that ran on without it, and those that ended meanwhile.</summary>
/// <remarks>A QEMU is adopted by its run directory and its control socket alone. What must be asked of datastores is asked beside that
/// (<see cref="Inspection"/>): one that hangs keeps waiting only what nobody else can tell.</remarks>
internal sealed class Adoption(
    EntityId host,
    HostState state,
    MachineTable machines,
    PowerControl power,
    MigrationTable migrations,
    Surroundings surroundings,
    Inspection inspection,
    Action<Machine> enforce,
    string runRoot,
    List<string> warnings)
{
    /// <summary>How long the start of an agent waits for QEMUs to answer; those that hang are adopted when they answer again.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>How long it waits for datastores; what those that hang have to say is taken when they answer again.</summary>
    private static readonly TimeSpan DatastorePatience = TimeSpan.FromSeconds(1);

    public async Task RunAsync(Registry registry)
    {
        var glance = Task.Delay(DatastorePatience);
        var runs = RunDirectory.FindAll(runRoot).Select(r => (Directory: r, Record: RunRecord.Read(r))).ToDictionary(r => EntityId.Vm(r.Directory.Machine));
        foreach (var machine in registry.Machines.Concat(registry.Expected).Where(m => runs.GetValueOrDefault(m.Id).Record is null))
            machines.AddVisiting(Unread(machine.Id, machine.Config));
        await Task.WhenAll(runs.Values.Where(r => r.Record is null).Select(r => EndUnknownAsync(r.Directory)));
        var adoptees = runs.Values.Where(r => r.Record is not null).Select(r => Take(r.Directory, r.Record!)).ToList();
        RestoreSurroundings([.. runs.Values.Select(r => r.Record?.Attachments).OfType<RunAttachments>()]);

        var sights = adoptees.ConvertAll(a => inspection.AwaitSightAsync(new RegisteredMachine(a.Machine.Id, a.Record.Config)));
        var looks = registry.Content.Datastores.Select(d => d.Datastore).Concat(machines.All.Select(m => m.Current.Config.Datastore))
            .Distinct().Select(inspection.LookAsync).ToArray();
        var finds = adoptees.ConvertAll(FindAsync);
        var ends = adoptees.Zip(finds, SeeToEndAsync).ToArray();
        var rest = adoptees.Zip(finds, sights).Select(a => SeeToSightAsync(a.First, a.Second, a.Third)).ToArray();
        await Task.WhenAny(Task.WhenAll(finds), Task.Delay(Patience));
        await Task.WhenAny(Task.WhenAll([.. looks, .. ends, .. rest]), glance);
    }

    private static HostMachine Unread(EntityId machine, DatastorePath config) => new() { Id = machine, Config = config, Power = PowerState.Unknown };

    /// <summary>Lists a machine of which there is a run directory. Its QEMU may have ended.</summary>
    private Adoptee Take(RunDirectory run, RunRecord record)
    {
        var unread = Unread(EntityId.Vm(run.Machine), record.Config);
        return new(machines.AddVisiting(unread with { Spec = record.Spec, LockEpoch = record.LockEpoch }), run, record);
    }

    /// <summary>Ends a run without a record, and removes it.</summary>
    /// <remarks>The record is written before the process is started, and lost with the host's power alone: there should be no process. Of one that
    /// lives all the same nobody knows what it is attached to.</remarks>
    private static async Task EndUnknownAsync(RunDirectory run)
    {
        await QemuProcess.EndAsync(run);
        run.Remove();
    }

    /// <summary>Before machines are adopted, but never in their way: what cannot be built is said, and machines run on without.</summary>
    private void RestoreSurroundings(IReadOnlyCollection<RunAttachments> inUse)
    {
        try
        {
            surroundings.Restore(inUse);
        }
        catch (FaultException e)
        {
            warnings.Add(e.Fault.Message);
            state.Publish(new HostEventRaised("host.network-missing", host, e.Fault.Message, IsProblem: true));
        }
    }

    /// <summary>Adopts a QEMU when it answers; false for one that has ended.</summary>
    private async Task<bool> FindAsync(Adoptee adoptee)
    {
        var (machine, directory, record) = adoptee;
        using (await machine.EnterAsync(CancellationToken.None))
        {
            if (await QemuProcess.FindAsync(directory, e => power.OnEvent(machine, e), CancellationToken.None) is { } process)
            {
                await AdoptAsync(machine, new MachineRun(process, record, isAdopted: true));
                return true;
            }

            // What its file says counts again.
            machine.Change(m => m with { Spec = null });
            return false;
        }
    }

    private async Task AdoptAsync(Machine machine, MachineRun run)
    {
        // The power-off came to nothing: whoever asked for it hears that it was interrupted.
        if (run.Record.IsPoweredOff)
            run.TryRemember(r => r with { IsPoweredOff = false });
        if (run.Record.Migration is { } migration)
        {
            // First: without it one that waits for its guest would be one that is off.
            machine.Change(m => m with { Migration = new HostMigration(migration.Id, migration.Role, MigrationPhase.Transfer) });
            power.Adopt(machine, run, migration.Role == MigrationRole.Source ? PowerState.On : PowerState.Off);
            migrations.Resume(machine, run, migration);
            return;
        }

        power.Adopt(machine, run, PowerState.Unknown);
        try
        {
            var running = await PowerControl.ReadPowerAsync(run);
            machine.Change(m => m with { Power = running });
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            // It ends just now, which is seen to like any end, or it hangs: then its state stays unknown.
        }
    }

    private async Task SeeToEndAsync(Adoptee adoptee, Task<bool> found)
    {
        if (!await found)
            await inspection.LookAsync(adoptee.Machine);
    }

    /// <summary>Sees to what depends on the lock and the file of a machine that ran here. A lock that cannot be read proves nothing against a guest
    /// that runs.</summary>
    /// <param name="found">Ends when its QEMU is adopted, or has ended.</param>
    private async Task SeeToSightAsync(Adoptee adoptee, Task<bool> found, Task<Sight> sight)
    {
        var (held, file) = await sight;
        // One that hangs is ended too.
        await Task.WhenAny(found, Task.Delay(Patience));
        if (IsLost(adoptee.Record, held))
            await EndLostAsync(adoptee, held);
        else if (await found && adoptee.Machine.Run is { } run)
            await CompleteAsync(adoptee, run, file);
    }

    /// <summary>Whether another host has taken a machine meanwhile.</summary>
    private bool IsLost(RunRecord record, LockRecord held) =>
        held.Owner != host && held.Epoch > Math.Max(record.LockEpoch, record.Migration?.SourceEpoch ?? 0);

    /// <summary>Ends a QEMU whose machine is another host's: by its process id, because it may not be open to words.</summary>
    private async Task EndLostAsync(Adoptee adoptee, LockRecord held)
    {
        var (machine, directory, record) = adoptee;
        var adopted = machine.Run;
        if (adopted is not null)
            adopted.EndReason = EndReason.MovedAway;
        if (await QemuProcess.EndAsync(directory) && record.Migration is null)
            state.Publish(new HostEventRaised("vm.fenced", machine.Id, $"Virtual machine '{machine.Name}' was ended here: '{held.OwnerName ?? "nobody"}' holds its lock since epoch {held.Epoch}.", IsProblem: true));
        if (adopted is null)
            return;
        await adopted.Ended;
        if (record.Migration is null)
            machine.Change(m => m with { LockEpoch = held.Epoch });
    }

    /// <summary>Does for a machine that runs here what had to wait for its datastore: a start that was not finished, and what its file has that was not
    /// written down beside its QEMU (an older agent did not, and one that was killed while it changed resource controls).</summary>
    private async Task CompleteAsync(Adoptee adoptee, MachineRun run, HostMachine file)
    {
        var (machine, _, record) = adoptee;
        run.MayBegin = true;
        if (!run.Record.HasBegun)
            await PowerControl.ReadAgainAsync(machine, run);
        if (file.Spec == record.Spec || (file.Spec is null && record.Spec is not null))
            return;
        // What was changed since it was adopted is newer than both.
        machine.Change(m => m.Spec == record.Spec ? m with { Spec = file.Spec, InvalidReason = file.InvalidReason } : m);
        run.TryRemember(r => r with { Spec = machine.Current.Spec });
        enforce(machine);
    }

    /// <summary>A machine of which there is a run directory, and what that says.</summary>
    private sealed record Adoptee(Machine Machine, RunDirectory Run, RunRecord Record);
}
