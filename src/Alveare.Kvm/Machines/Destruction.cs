using Alveare.Kvm.Files;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Deletes machines: the files that are theirs alone, and their directory if nothing else is in it.</summary>
public sealed class Destruction(MachineTable machines, Ground ground)
{
    /// <param name="powerOff">Whether one that is on is powered off; else it is a fault.</param>
    public async Task DestroyAsync(Machine machine, bool powerOff, CancellationToken cancellation)
    {
        using (await machine.EnterAsync(cancellation))
        {
            if (!powerOff || machine.Run is null)
            {
                machine.RequireOff();
                Destroy(machine, held: null);
                return;
            }

            // What is refused is refused before its guest loses anything.
            if (ground.ReadConfig(machine.Current.Config) is { } content)
                ground.RequireUnused(machine.Current.Config, VmxFile.Read(machine.Current.Config.FileName, content));
        }

        await PowerControl.StopAsync(machine, cancellation, held => Destroy(machine, held));
    }

    /// <param name="held">The epoch at which its lock is held; null for one that is free.</param>
    private void Destroy(Machine machine, long? held)
    {
        var config = machine.Current.Config;
        // Looked up once for all files: deleting a symbolic link that is put in a file's place takes away that link.
        var directory = new DirectoryInfo(Path.GetDirectoryName(ground.PathOf(config))!);
        if (ground.ReadConfig(config) is { } content)
            Delete(config, VmxFile.Read(config.FileName, content), directory, held);
        if (directory.Exists)
            DeleteRest(config, directory);
        // Its files need not be gone after a loss of power either.
        machines.Remove(machine, survives: false);
    }

    /// <remarks>The configuration goes last: a destruction that was cut off can be repeated.</remarks>
    private void Delete(DatastorePath config, MachineSpec spec, DirectoryInfo directory, long? held)
    {
        // Nobody is told of this epoch, nor of its release: after a loss of power the machine is there or not, and can be destroyed again.
        var epoch = held ?? Take(config, spec.Name, directory);
        var began = false;
        try
        {
            ground.RequireUnused(config, spec);
            var own = Ground.FilesOf(config, spec).Except(FilesOfOthers(config, directory)).ToHashSet();
            // Those of a machine that was just powered off were open in its QEMU alone, which is gone.
            foreach (var disk in spec.Disks.Where(d => held is null && own.Contains(d.File)))
                ground.RequireClosed(config, disk);
            began = true;
            // Of the configuration only what an agent that was killed has left beside it.
            foreach (var file in directory.EnumerateFiles().Where(f => own.Contains(f.Name) || WholeFile.Unfinished(f.Name) is { } whole && (own.Contains(whole) || whole == config.FileName)))
                file.Delete();
            File.Delete(Path.Combine(directory.FullName, config.FileName));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FaultException(new HostOperationFailed($"Deleting virtual machine '{spec.Name}'", e.Message), e);
        }
        finally
        {
            if (!began && held is null)
                ground.Release(config, epoch);
        }
    }

    /// <summary>The files of other machines in the directory, such as one whose configuration was copied with the names of its disks.</summary>
    private IEnumerable<string> FilesOfOthers(DatastorePath config, DirectoryInfo directory) => directory.EnumerateFiles("*.vmx")
        .Where(f => f.Name != config.FileName)
        .Select(f => config.Sibling(f.Name))
        .SelectMany(other => ground.TryReadSpec(other) is { } spec ? Ground.FilesOf(other, spec) : []);

    // Whoever destroys a machine on a full datastore wants room: its logs make some for the lock's record. That the lock is free is looked at before it is written.
    private long Take(DatastorePath config, string name, DirectoryInfo directory)
    {
        try
        {
            return ground.Take(config, name, minEpoch: 0, survives: false);
        }
        catch (FaultException e) when (e.Fault is DatastoreFull)
        {
            foreach (var log in MachineLog.FilesOf(config.FileName))
                File.Delete(Path.Combine(directory.FullName, log));
            return ground.Take(config, name, minEpoch: 0, survives: false);
        }
    }

    /// <summary>What there is around a machine whose configuration is gone.</summary>
    private void DeleteRest(DatastorePath config, DirectoryInfo directory)
    {
        ground.DeleteLock(config);
        var users = ground.UsersOf(config);
        if (users.Read().Count == 0)
            users.Delete();
        // A datastore's own directory has its marker in it, and so stays.
        if (!directory.EnumerateFileSystemInfos().Any())
            directory.Delete();
    }
}
