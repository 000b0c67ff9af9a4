using Alveare.Core.Tasks;
using Alveare.Kvm.Files;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Machines;

/// <summary>Replaces the configuration of machines that are off (a disk that leaves it keeps its file), and of any machine its name and what it
/// is promised and held to.</summary>
public sealed class Reconfiguration(Ground ground, DiskImages images, ResourceEnforcement enforcement, LeftoverFiles leftovers)
{
    public async Task SetResourcesAsync(Machine machine, SetMachineResources set, CancellationToken cancellation)
    {
        using var entered = await EnterStayingAsync(machine, cancellation);
        if (machine.Run is not { } run)
        {
            await ReconfigureEnteredAsync(machine, set.ApplyTo, cancellation);
            return;
        }

        RequireRoom(machine, run, set.Resources.Memory);
        ReconfigureRunning(machine, run, set.ApplyTo);
        enforcement.Apply(machine);
        await enforcement.ThrottledAsync(run);
    }

    /// <summary>Writes another name into a machine's configuration; its files are called what they were.</summary>
    public async Task RenameAsync(Machine machine, string name, CancellationToken cancellation)
    {
        using var entered = await EnterStayingAsync(machine, cancellation);
        MachineSpec Renamed(MachineSpec spec) => spec with { Name = name };
        if (machine.Run is { } run)
            ReconfigureRunning(machine, run, Renamed);
        else
            await ReconfigureEnteredAsync(machine, Renamed, cancellation);
    }

    private static async Task<IDisposable> EnterStayingAsync(Machine machine, CancellationToken cancellation)
    {
        var entered = await machine.EnterAsync(cancellation);
        if (machine.Current.Migration is not { } migration)
            return entered;
        entered.Dispose();
        throw new FaultException(new InvalidState(machine.Name, $"being migrated ({migration.Id})", "in no migration"));
    }

    // The owner of a running machine alone writes its configuration: it holds the on-disk lock. What else was written into the file since the
    // machine was started is not what runs.
    private void ReconfigureRunning(Machine machine, MachineRun run, Func<MachineSpec, MachineSpec> change)
    {
        var file = ground.ReadSpec(machine);
        ground.WriteSpec(machine.Current.Config, change(file));
        machine.Change(m => m with { Spec = change(m.Spec ?? file) });
        // After the file: should the agent end in between, the next one takes what the file says.
        run.TryRemember(r => r with { Spec = machine.Current.Spec });
    }

    // What a process has taken cannot be taken from it without somewhere to swap it to, unless its guest gives it back.
    private void RequireRoom(Machine machine, MachineRun run, MemoryControl memory)
    {
        if (memory.Limit is not { } limit || limit == machine.Current.Spec?.Resources.Memory.Limit)
            return;
        if (enforcement.LeastMemoryOf(run) is var least && limit < least)
            throw new FaultException(new InvalidArgument($"Virtual machine '{machine.Name}'", "the memory limit", $"{limit}", $"at least the {least} that its QEMU takes now and its guest cannot give back"));
    }

    public async Task ReconfigureAsync(Machine machine, MachineSpec wanted, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        await ReconfigureEnteredAsync(machine, _ => wanted, cancellation);
    }

    private async Task ReconfigureEnteredAsync(Machine machine, Func<MachineSpec, MachineSpec> change, CancellationToken cancellation)
    {
        machine.RequireOff();
        var config = machine.Current.Config;
        var now = ground.ReadSpec(machine);
        machine.Change(m => m with { Spec = now, InvalidReason = null });
        // What the file names beside is not for whoever changes the machine to say.
        var wanted = change(now) with { DevicesLeftOut = now.DevicesLeftOut };
        var changes = DiskChanges.Between(now, wanted);
        if (now == wanted)
            return;

        var epoch = ground.Take(config, now.Name, minEpoch: 0);
        try
        {
            if (!changes.Grown.IsEmpty)
                ground.RequireUnused(config, now);
            await ApplyAsync(config, wanted, changes, cancellation);
            machine.Change(m => m with { Spec = wanted });
        }
        finally
        {
            ground.Release(config, epoch);
            machine.Change(m => m with { LockEpoch = epoch + 1 });
        }
    }

    private async Task ApplyAsync(DatastorePath config, MachineSpec wanted, DiskChanges changes, CancellationToken cancellation)
    {
        using var unfinished = changes.Added.IsEmpty ? null : leftovers.Begin(config, changes.Added.Select(d => d.File), flush: false);
        await using var undo = new UndoStack();
        foreach (var disk in changes.Added)
        {
            var path = ground.PathOf(config.Sibling(disk.File));
            await images.CreateAsync(path, disk, cancellation);
            undo.Push(() => File.Delete(path));
        }

        // Growing cannot be taken back, and need not: a disk that is larger than its configuration says is grown to the same size again.
        foreach (var disk in changes.Grown)
            await images.GrowAsync(ground.PathOf(config.Sibling(disk.File)), disk.Format, disk.Capacity, cancellation);
        ground.WriteSpec(config, wanted);
        undo.Clear();
    }
}
