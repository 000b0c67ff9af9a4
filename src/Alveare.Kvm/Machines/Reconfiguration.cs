using Alveare.Core.Tasks;
using Alveare.Kvm.Qemu;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Replaces the configuration of machines that are off. A disk that leaves the configuration keeps its file.</summary>
public sealed class Reconfiguration(Ground ground, DiskImages images)
{
    public async Task ReconfigureAsync(Machine machine, MachineSpec wanted, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        machine.RequireOff();
        var config = machine.Current.Config;
        var now = ground.ReadSpec(config);
        var changes = DiskChanges.Between(now, wanted);
        if (now == wanted)
            return;

        var epoch = ground.Take(config, now.Name, minEpoch: 0);
        try
        {
            if (!changes.Grown.IsEmpty)
                ground.RequireUnused(config, now);
            await ApplyAsync(config, wanted, changes, cancellation);
            machine.Change(m => m with { Spec = wanted, InvalidReason = null });
        }
        finally
        {
            ground.Release(config, epoch);
            machine.Change(m => m with { LockEpoch = epoch + 1 });
        }
    }

    private async Task ApplyAsync(DatastorePath config, MachineSpec wanted, DiskChanges changes, CancellationToken cancellation)
    {
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
