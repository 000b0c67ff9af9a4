using System.Collections.Concurrent;
using Alveare.Kvm.Files;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm;

/// <summary>Finds out from files and locks what only a datastore can tell of machines that do not run here, and of files that were being made:
/// when the agent starts, and when a datastore comes back.</summary>
/// <remarks>Until then such a machine is listed as unread, its power unknown, and nothing is done with it: nobody starts, destroys or forgets what
/// this host may still have to release. Each datastore is looked at on a thread of its own.</remarks>
internal sealed class Inspection(
    EntityId host,
    HostState state,
    MachineTable machines,
    Registry registry,
    Ground ground,
    Listing listing,
    LeftoverFiles leftovers,
    PowerControl power,
    DatastoreThreads threads,
    string runRoot,
    CancellationToken stopping)
{
    private readonly StrayProcesses strays = new();
    private readonly ConcurrentDictionary<RegisteredMachine, TaskCompletionSource<Sight>> awaited = new();

    /// <summary>Looks at everything in a datastore that is not known yet.</summary>
    public Task LookAsync(EntityId datastore) => threads.RunAsync(datastore, () =>
    {
        foreach (var (machine, answer) in awaited.Where(a => a.Key.Config.Datastore == datastore))
        {
            if (ground.TryReadLock(machine.Config) is { } held && !stopping.IsCancellationRequested && awaited.TryRemove(machine, out _))
                answer.SetResult(new Sight(held, listing.Describe(machine)));
        }

        foreach (var machine in machines.All.Where(m => m.Current.Config.Datastore == datastore && IsOpen(m)))
            Try(machine);
        if (stopping.IsCancellationRequested)
            return;
        TakeBack(datastore);
    });

    private void TakeBack(EntityId datastore)
    {
        try
        {
            foreach (var problem in leftovers.TakeBack(datastore))
                state.Publish(new HostEventRaised("host.left-behind", host, problem, IsProblem: true));
        }
        catch (FaultException)
        {
            // It waits for its datastore.
        }
    }

    /// <summary>Looks at one machine whose QEMU has turned out to be gone.</summary>
    public Task LookAsync(Machine machine) => threads.RunAsync(machine.Current.Config.Datastore, () => Try(machine));

    /// <summary>What there is of a machine that may run here, as the first look at its datastore finds it that can read its lock.</summary>
    public Task<Sight> AwaitSightAsync(RegisteredMachine machine) =>
        awaited.GetOrAdd(machine, _ => new TaskCompletionSource<Sight>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private static bool IsOpen(Machine machine) => machine.Run is null && (machine.Current.Spec is null || machine.Current.Power == PowerState.Unknown);

    private void Try(Machine machine)
    {
        try
        {
            See(machine);
        }
        catch (Exception e) when (e is FaultException || stopping.IsCancellationRequested)
        {
            // It was removed meanwhile, or the agent ends.
        }
        catch (Exception e)
        {
            Raise("vm.not-seen-to", machine, $"What became of virtual machine '{machine.Name}' could not be seen to: {e.Message.TrimEnd('.')}.");
        }
    }

    private void See(Machine machine)
    {
        var run = new RunDirectory(runRoot, machine.Id.Uuid);
        // One that does not answer is adopted when it does.
        if (stopping.IsCancellationRequested || QemuProcess.Lives(run))
            return;
        // Before the machine is entered: whoever wants something of it is refused while the datastore hangs, and need not wait.
        var found = listing.Describe(new RegisteredMachine(machine.Id, machine.Current.Config));
        using var entered = machine.EnterAsync(stopping).GetAwaiter().GetResult();
        if (!IsOpen(machine))
            return;
        var held = ground.TryReadLock(machine.Current.Config);
        if (RunRecord.Read(run) is { } record)
            Bury(machine, found, held, run, record);
        else if (registry.Knows(machine.Id) || HasCome(machine, held))
            SeeWithoutRun(machine, found, held, run);
    }

    /// <summary>Whether a machine that was on its way here, and of whose QEMU nothing is known any more, has come: if its lock is this host's.</summary>
    private bool HasCome(Machine machine, LockRecord? held)
    {
        if (held?.Owner == host)
        {
            TryKeep(machine);
            return true;
        }

        // Where the lock cannot be read it is decided when it can.
        if (held is not null)
            machines.Return(machine);
        return false;
    }

    /// <summary>After a crash of the whole host there is a lock of ours and no process. Where somebody removed the run directory there is one. An agent that is
    /// killed while it changes or destroys a machine that is off leaves a lock too, of the same boot.</summary>
    private void SeeWithoutRun(Machine machine, HostMachine found, LockRecord? held, RunDirectory run)
    {
        // Without readable files there is no telling; the lock is looked at again when the machine is started.
        if (found.Spec is null || held?.Owner != host)
        {
            Tell(machine, found, PowerState.Off, found.LockEpoch);
        }
        else if (strays.Find(run) is { } pid)
        {
            var isNews = machine.Current.Spec is null;
            Tell(machine, found, PowerState.Unknown, held.Epoch);
            if (isNews)
                Raise("vm.out-of-reach", machine, $"Virtual machine '{machine.Name}' runs as process {pid} and cannot be controlled: its directory '{run.Path}' was removed. Shut its guest down or end the process, then restart the agent.");
        }
        else
        {
            Tell(machine, found, PowerState.Off, ground.Release(machine.Current.Config, held.Epoch));
            if (ground.IsOfThisBoot(held))
                Raise("vm.unlocked", machine, $"Virtual machine '{machine.Name}' was locked by this host when its agent ended, and nothing of it runs; it is powered off.");
            else
                Raise("vm.died", machine, $"Virtual machine '{machine.Name}' ran when this host went down; it is powered off now.");
        }
    }

    /// <summary>A QEMU ended while no agent was there.</summary>
    private void Bury(Machine machine, HostMachine found, LockRecord? held, RunDirectory run, RunRecord record)
    {
        // Who has a machine that was moving is in its lock alone.
        if (held is null && record.Migration is not null)
            return;
        var end = new QemuEnd(run.ReadExitStatus(), run.LastLines(5));
        if (held?.Owner == host)
        {
            Tell(machine, found, PowerState.Off, ground.Release(record.Config, held.Epoch));
            TryKeep(machine);
            if (!record.IsPoweredOff)
                Raise(end.IsClean ? "vm.guest-powered-off" : "vm.died", machine, $"Virtual machine '{machine.Name}' ended while the host agent was not running: {end.Describe()}.");
        }
        else if (record.Migration is { Role: MigrationRole.Source } migration && record.LockEpoch <= migration.SourceEpoch)
        {
            machines.Leave(machine);
        }
        else if (record.Migration is not null || ground.IsGone(record.Config))
        {
            // It did not come, or was destroyed but for what is removed below.
            Tell(machine, found, PowerState.Off, found.LockEpoch);
            machines.Return(machine);
        }
        else
        {
            Tell(machine, found, PowerState.Off, held?.Epoch ?? record.LockEpoch);
        }

        // Last: it tells the next agent that something ran, should this one end before the lock is free.
        power.CleanUp(machine, run, record.Attachments);
    }

    private static void Tell(Machine machine, HostMachine found, PowerState power, long epoch) => machine.Change(
        m => m.PoweredOff() with { Spec = found.Spec, InvalidReason = found.InvalidReason, Power = power, LockEpoch = epoch });

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

    private void Raise(string kind, Machine machine, string message) =>
        state.Publish(new HostEventRaised(kind, machine.Id, message, IsProblem: kind is not ("vm.guest-powered-off" or "vm.unlocked")));
}

/// <summary>What a datastore tells of a machine that runs here.</summary>
/// <param name="Found">The machine by its file, as if it were off.</param>
internal sealed record Sight(LockRecord Held, HostMachine Found);
