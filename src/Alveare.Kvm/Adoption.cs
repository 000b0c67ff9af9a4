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
internal sealed class Adoption(
    EntityId host,
    HostState state,
    MachineTable machines,
    Ground ground,
    Listing listing,
    PowerControl power,
    MigrationTable migrations,
    Surroundings surroundings,
    string runRoot,
    List<string> warnings)
{
    /// <summary>How long the start of an agent waits for QEMUs to answer; those that hang are adopted when they answer again.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly StrayProcesses strays = new();

    public async Task RunAsync(Registry registry)
    {
        var runs = RunDirectory.FindAll(runRoot).ToDictionary(r => EntityId.Vm(r.Machine));
        SeeToExpected(registry, runs);
        foreach (var machine in registry.Machines)
            machines.AddVisiting(Describe(machine, runs.ContainsKey(machine.Id)));
        foreach (var machine in machines.All.Where(m => !runs.ContainsKey(m.Id)))
            AdoptWithoutRun(machine);
        RestoreSurroundings(runs.Values);
        var adoptions = runs.Values.Select(AdoptAsync).ToArray();
        await Task.WhenAny(Task.WhenAll(adoptions), Task.Delay(Patience));
    }

    /// <summary>A machine that was on its way here, and of whose QEMU nothing is known any more, has come if its lock is this host's.</summary>
    private void SeeToExpected(Registry registry, Dictionary<EntityId, RunDirectory> runs)
    {
        foreach (var machine in registry.Expected.Where(m => runs.GetValueOrDefault(m.Id) is not { } run || RunRecord.Read(run) is null))
        {
            // Where the lock cannot be read the next agent decides.
            if (ground.TryReadLock(machine.Config) is not { } held)
                continue;
            if (held.Owner == host)
                TryKeep(machines.AddVisiting(Describe(machine, runs.ContainsKey(machine.Id))));
            else
                registry.ExpectNoMore(machine.Id);
        }
    }

    /// <summary>A machine is this host's, whether that can be written down or not.</summary>
    private void TryKeep(Machine machine)
    {
        try
        {
            machines.Keep(machine);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Raise("vm.not-written-down", machine, $"Virtual machine '{machine.Name}' came to this host, and that cannot be written down: {e.Message.TrimEnd('.')}.");
        }
    }

    /// <summary>Before machines are adopted, but never in their way: what cannot be built is said, and machines run on without.</summary>
    private void RestoreSurroundings(IEnumerable<RunDirectory> runs)
    {
        try
        {
            surroundings.Restore([.. runs.Select(r => RunRecord.Read(r)?.Attachments).OfType<RunAttachments>()]);
        }
        catch (FaultException e)
        {
            warnings.Add(e.Fault.Message);
            state.Publish(new HostEventRaised("host.network-missing", host, e.Fault.Message, IsProblem: true));
        }
    }

    private HostMachine Describe(RegisteredMachine machine, bool mayRun) =>
        listing.Describe(machine) with { Power = mayRun ? PowerState.Unknown : PowerState.Off };

    /// <summary>After a crash of the whole host there is a lock of ours and no process. Where somebody removed the run directory there is one.</summary>
    private void AdoptWithoutRun(Machine machine)
    {
        // Without readable files there is no telling; the lock is looked at again when the machine is started.
        if (machine.Current.Spec is not { } spec || ground.TryReadLock(machine.Current.Config) is not { } held || held.Owner != host)
            return;
        var run = new RunDirectory(runRoot, spec.Uuid);
        if (strays.Find(run) is { } pid)
        {
            machine.Change(m => m with { Power = PowerState.Unknown, LockEpoch = held.Epoch });
            Raise(
                "vm.out-of-reach", machine,
                $"Virtual machine '{machine.Name}' runs as process {pid} and cannot be controlled: its directory '{run.Path}' was removed. Shut its guest down or end the process, then restart the agent.");
            return;
        }

        var released = ground.Release(machine.Current.Config, held.Epoch);
        machine.Change(m => m with { LockEpoch = released });
        Raise("vm.died", machine, $"Virtual machine '{machine.Name}' ran when this host went down; it is powered off now.");
    }

    private async Task AdoptAsync(RunDirectory run)
    {
        if (RunRecord.Read(run) is not { } record)
        {
            // Written before the process is started, and lost with the host's power alone: there should be none. Of one that lives all the
            // same nobody knows what it is attached to.
            await QemuProcess.EndAsync(run);
            run.Remove();
            if (machines.TryFind(EntityId.Vm(run.Machine)) is not { } known)
                return;
            known.Change(m => m with { Power = PowerState.Off });
            AdoptWithoutRun(known);
            return;
        }

        var machine = machines.TryFind(EntityId.Vm(run.Machine))
            ?? machines.AddVisiting(Describe(new RegisteredMachine(EntityId.Vm(run.Machine), record.Config), mayRun: true));
        using (await machine.EnterAsync(CancellationToken.None))
        {
            await EndIfLostAsync(machine, run, record);
            if (await QemuProcess.FindAsync(run, e => power.OnEvent(machine, e), CancellationToken.None) is { } process)
                await AdoptAsync(machine, new MachineRun(process, record, isAdopted: true));
            else
                Bury(machine, run, record);
        }
    }

    private async Task AdoptAsync(Machine machine, MachineRun run)
    {
        machine.Change(m => m with { LockEpoch = run.Record.LockEpoch });
        // The power-off came to nothing: whoever asked for it hears that it was interrupted.
        if (run.Record.IsPoweredOff)
            run.TryRemember(r => r with { IsPoweredOff = false });
        if (run.Record.Migration is { } migration)
        {
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

    /// <summary>Ends a QEMU whose machine another host has taken meanwhile: by its process id, because it may not be open to words.</summary>
    private async Task EndIfLostAsync(Machine machine, RunDirectory run, RunRecord record)
    {
        // A lock that cannot be read proves nothing against a guest that runs.
        var known = Math.Max(record.LockEpoch, record.Migration?.SourceEpoch ?? 0);
        if (ground.TryReadLock(record.Config) is not { } held || held.Owner == host || held.Epoch <= known)
            return;
        if (await QemuProcess.EndAsync(run) && record.Migration is null)
            Raise("vm.fenced", machine, $"Virtual machine '{machine.Name}' was ended here: '{held.OwnerName ?? "nobody"}' holds its lock since epoch {held.Epoch}.");
    }

    /// <summary>A QEMU ended while no agent was there.</summary>
    private void Bury(Machine machine, RunDirectory run, RunRecord record)
    {
        var end = new QemuEnd(run.ReadExitStatus(), run.LastLines(5));
        power.CleanUp(machine, run, record.Attachments);
        var held = ground.TryReadLock(record.Config);
        if (held?.Owner == host)
        {
            var released = ground.Release(record.Config, held.Epoch);
            machine.Change(m => m with { Power = PowerState.Off, LockEpoch = released });
            TryKeep(machine);
            if (record.IsPoweredOff)
                return;
            Raise(
                end.IsClean ? "vm.guest-powered-off" : "vm.died", machine,
                $"Virtual machine '{machine.Name}' ended while the host agent was not running: {end.Describe()}.");
        }
        else if (record.Migration is { Role: MigrationRole.Source })
        {
            machines.Leave(machine);
        }
        else if (record.Migration is not null || ground.IsGone(record.Config))
        {
            // It did not come, or was destroyed but for what was just removed here.
            machines.Return(machine);
        }
        else
        {
            machine.Change(m => m with { Power = PowerState.Off, LockEpoch = held?.Epoch ?? record.LockEpoch });
        }
    }

    private void Raise(string kind, Machine machine, string message) =>
        state.Publish(new HostEventRaised(kind, machine.Id, message, IsProblem: kind != "vm.guest-powered-off"));
}
