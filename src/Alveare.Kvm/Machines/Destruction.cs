using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Deletes machines that are off: the files that are theirs, and their directory if nothing else is in it.</summary>
public sealed class Destruction(MachineTable machines, Ground ground)
{
    public async Task DestroyAsync(Machine machine, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        machine.RequireOff();
        var config = machine.Current.Config;
        if (File.Exists(ground.PathOf(config)))
            Delete(config, ground.ReadSpec(config));
        DeleteRest(config);
        machines.Remove(machine);
    }

    /// <remarks>The configuration goes last: a destruction that was cut off can be repeated.</remarks>
    private void Delete(DatastorePath config, MachineSpec spec)
    {
        // Nobody is told of this epoch, nor of its release: after a loss of power the machine is there or not, and can be destroyed again.
        var epoch = ground.Take(config, spec.Name, minEpoch: 0, survives: false);
        var began = false;
        try
        {
            ground.RequireUnused(config, spec);
            began = true;
            foreach (var file in spec.Disks.Select(d => d.File).Append(spec.CustomizationSeed).OfType<string>().Concat(Companions(config)))
                File.Delete(ground.PathOf(config.Sibling(file)));
            File.Delete(ground.PathOf(config));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FaultException(new HostOperationFailed($"Deleting virtual machine '{spec.Name}'", e.Message), e);
        }
        finally
        {
            if (!began)
                ground.Release(config, epoch);
        }
    }

    /// <summary>What there is around a machine whose configuration is gone.</summary>
    private void DeleteRest(DatastorePath config)
    {
        var directory = Path.GetDirectoryName(ground.PathOf(config))!;
        if (!Directory.Exists(directory))
            return;
        ground.DeleteLock(config);
        if (ground.UsersOf(config) is var users && users.Read().Count == 0)
            users.Delete();
        // A datastore's own directory has its marker in it, and so stays.
        if (!Directory.EnumerateFileSystemEntries(directory).Any())
            Directory.Delete(directory);
    }

    private static string[] Companions(DatastorePath config)
    {
        return [Path.ChangeExtension(config.FileName, ".nvram"), .. MachineLog.FilesOf(config.FileName)];
    }
}
