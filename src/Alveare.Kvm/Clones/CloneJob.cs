using Alveare.Core.Hosts;
using Alveare.Core.Tasks;
using Alveare.Kvm.Customization;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Machines;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Clones;

/// <summary>Makes one clone: its disks, its configuration, its place in the registry; or nothing at all.</summary>
internal sealed class CloneJob(CloneMachine command, CloneGround ground)
{
    private readonly string target = ground.Ground.PathOf(command.Target);

    public async Task<MachineReply> RunAsync(IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        if (ground.Registration.TryFinish(command.Target, command.Spec.Uuid) is { } made)
            return made;
        var plan = ClonePlan.Make(command, ground.Ground.ReadSpec(command.Source));
        var seed = command.Customization is { } customization ? SeedText.Write(plan.Spec, customization) : null;
        using var use = ground.Ground.UsersOf(command.Source).Enter(UserOf(plan));
        RequireSourceOff(plan);
        using var unfinished = ground.Leftovers.Begin(command.Target, plan.Files, flush: command.Kind == CloneKind.Full);
        await using var undo = new UndoStack();
        Registration.MakeDirectory(target, undo);
        await MakeDisksAsync(plan, undo, progress, cancellation);
        CopyVariables(plan, undo);
        if (seed is not null)
            await WriteSeedAsync(plan.Spec.CustomizationSeed!, seed, undo, cancellation);
        ground.Ground.WriteSpec(command.Target, plan.Spec);
        undo.Push(() => File.Delete(target));
        var reply = ground.Registration.Register(command.Target);
        if (command.Kind == CloneKind.Linked)
            use.Keep();
        undo.Clear();
        return reply;
    }

    private DiskUser UserOf(ClonePlan plan)
    {
        var directory = Path.GetDirectoryName(ground.Ground.PathOf(command.Source))!;
        IEnumerable<StandingDisk> disks = command.Kind == CloneKind.Full ? [] : plan.Disks
            .Where(d => d.Source is not null)
            .Select(d => new StandingDisk(d.Source!.File, Path.GetRelativePath(directory, TargetPath(d.Disk.File))));
        return new DiskUser(plan.Spec.Uuid, plan.Spec.Name, [.. disks]);
    }

    /// <remarks>After the clone was entered with the source: whoever takes the source's lock later sees the entry.</remarks>
    private void RequireSourceOff(ClonePlan plan)
    {
        var held = ground.Ground.ReadLock(command.Source);
        if (held.Owner is not null)
            throw new FaultException(new MachineLocked(command.Source.FileName, held.OwnerName ?? "another host", held.Epoch));
        foreach (var disk in plan.Disks.Select(d => d.Source).OfType<DiskSpec>())
        {
            // As before a start: QEMU's tool follows whatever name a disk's header has, with the rights to every machine's disks. Other clones
            // that stand on the disk may have it open.
            ground.Ground.CheckDisk(command.Source, disk, alone: false);
            // The source's disks are read as QEMU's user, and clones go on reading those they stand on.
            ground.Ground.Give(command.Source.Sibling(disk.File), ground.User);
        }
    }

    private async Task MakeDisksAsync(ClonePlan plan, UndoStack undo, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        var total = (double)plan.Disks.Sum(d => d.Source?.Capacity.Value ?? 0);
        var done = 0.0;
        foreach (var disk in plan.Disks)
        {
            var share = disk.Source is null || total == 0 ? 0 : 100 * disk.Source.Capacity.Value / total;
            await MakeDiskAsync(disk, percent => progress?.Report(new HostProgress(done + (percent * share / 100), "copy")), cancellation);
            undo.Push(() => File.Delete(TargetPath(disk.Disk.File)));
            done += share;
        }
    }

    private async Task MakeDiskAsync(PlannedDisk disk, Action<double> percent, CancellationToken cancellation)
    {
        var path = TargetPath(disk.Disk.File);
        if (disk.Source is null)
        {
            await ground.Images.CreateAsync(path, disk.Disk, cancellation);
            return;
        }

        if (command.Kind == CloneKind.Linked)
        {
            var backing = Path.GetRelativePath(Path.GetDirectoryName(target)!, SourcePath(disk.Source));
            await ground.Images.CreateOverlayAsync(path, disk.Disk.Capacity, backing, disk.Source.Format, cancellation);
            return;
        }

        await ground.Images.CopyAsync(SourcePath(disk.Source), disk.Source.Format, path, disk.Disk.Format, percent, cancellation);
        if (disk.Disk.Capacity > disk.Source.Capacity)
            await GrowAsync(path, disk.Disk, cancellation);
    }

    private async Task GrowAsync(string path, DiskSpec disk, CancellationToken cancellation)
    {
        try
        {
            await ground.Images.GrowAsync(path, disk.Format, disk.Capacity, cancellation);
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }

    private async Task WriteSeedAsync(string file, SeedText seed, UndoStack undo, CancellationToken cancellation) =>
        Write(file, await SeedImage.MakeAsync(seed, ground.SeedDirectory, cancellation), undo);

    /// <summary>A source that was never started has no variables yet, and neither has its clone.</summary>
    private void CopyVariables(ClonePlan plan, UndoStack undo)
    {
        if (plan.Variables is { } file && ground.Ground.ReadVariables(command.Source) is { } variables)
            Write(file, variables, undo);
    }

    private void Write(string file, byte[] content, UndoStack undo)
    {
        var path = TargetPath(file);
        if (File.Exists(path))
            throw new FaultException(new FileExists(path));
        ground.Ground.Write(command.Target.Sibling(file), content);
        undo.Push(() => File.Delete(path));
    }

    private string SourcePath(DiskSpec disk) => ground.Ground.PathOf(command.Source.Sibling(disk.File));

    private string TargetPath(string file) => ground.Ground.PathOf(command.Target.Sibling(file));
}
