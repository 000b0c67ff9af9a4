using System.Collections.Immutable;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Tasks;

namespace Alveare.Core.Machines;

/// <summary>A machine that is about to be made.</summary>
/// <param name="Spec">Its configuration, given the name of its directory.</param>
/// <param name="Command">What makes its files, given where they go and the configuration.</param>
internal sealed record NewMachine(
    Guid Uuid,
    string Name,
    EntityId Container,
    EntityId Datastore,
    EntityId Host,
    EntityId? Pool,
    Func<string, MachineSpec> Spec,
    Func<DatastorePath, MachineSpec, HostCommand> Command)
{
    public EntityId Id => EntityId.Vm(Uuid);
}

/// <summary>Makes machines: their place in the inventory first, so that nobody else takes the name, then their files on a host.</summary>
/// <remarks>What an engine that is killed in here leaves: before the place is taken, nothing; after it, a machine on no host, which
/// <see cref="FindOutAsync"/> removes unless its host has made it meanwhile; after the host's answer, a complete machine.</remarks>
internal sealed class MachineMaking(MachineGround ground)
{
    /// <summary>Network cards on these port groups, with MAC addresses that no machine of the site has.</summary>
    public ImmutableArray<NicSpec> NewNics(IEnumerable<string> portGroups)
    {
        var taken = ground.Now.OfType<VirtualMachine>().SelectMany(v => v.Spec?.Nics ?? []).Select(n => n.Mac).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var nics = ImmutableArray.CreateBuilder<NicSpec>();
        foreach (var portGroup in portGroups)
        {
            string mac;
            do
                mac = ground.Ids.NewMac();
            while (!taken.Add(mac));
            nics.Add(new NicSpec(mac, portGroup));
        }

        return nics.ToImmutable();
    }

    public async Task MakeAsync(NewMachine plan, TaskContext context, IProgress<HostProgress>? progress = null, CancellationToken cancellation = default)
    {
        context.SetResult(plan.Id);
        // In this order on disk: whoever starts again knows of the place only through the task.
        var remembered = context.RememberAsync();
        var reserved = ReserveAsync(plan, context.Id);
        context.Undo.Push(() => TakeBackAsync(plan));
        await remembered;
        var directory = await reserved;

        context.Report(null, $"writing its files on host '{ground.NameOf(plan.Host)}'");
        await WriteFilesAsync(plan, directory, progress, cancellation);
        cancellation.ThrowIfCancellationRequested();
        context.Undo.Clear();
        await ground.InsistAsync(now => now.Find(plan.Id) is VirtualMachine made
            ? InventoryEdit.Observed(made with { BusyTask = null })
            : InventoryEdit.Nothing);
    }

    /// <summary>How a task of an earlier run that was making a machine ended.</summary>
    public async Task<LeftoverOutcome> FindOutAsync(TaskRecord task, TaskContext context, CancellationToken cancellation)
    {
        var failed = new LeftoverOutcome(
            TaskState.Failed, new Interrupted($"{task.Operation} on '{task.TargetName}'", "the center was restarted before the machine was made"));
        if (task.Result is not { } id || ground.Now.Find(id) is not VirtualMachine vm)
            return failed;
        var hosts = vm.Host is not { } known ? HostsThatMayHaveIt(vm) : task.PowersOn ? [known] : [];
        await Task.WhenAll(hosts.Select(host => TryObserveAsync(host, cancellation)));
        if (ground.Now.Find(id) is VirtualMachine { Host: not null } made)
        {
            return !task.PowersOn || made.Power == PowerState.On
                ? new LeftoverOutcome(TaskState.Succeeded, null, id)
                : new LeftoverOutcome(TaskState.Failed, new Interrupted($"Powering on '{made.Name}'", "the center was restarted when it had just been made"), id);
        }

        await ground.InsistAsync(now => now.Find(id) is VirtualMachine { Host: null } ? InventoryEdit.Remove(id) : InventoryEdit.Nothing);
        return failed;
    }

    // A host that refused has taken its files back; one that was stopped in the middle may have been done already, and so has one whose
    // answer could not be noted.
    private async Task TakeBackAsync(NewMachine plan)
    {
        try
        {
            if ((await ground.Hosts.RefreshAsync(plan.Host, CancellationToken.None)).Machines.Any(m => m.Id == plan.Id))
                await ground.ExecuteAsync(plan.Host, plan.Id, new DestroyMachine(plan.Id), m => m is null);
        }
        finally
        {
            await ground.InsistAsync(_ => InventoryEdit.Remove(plan.Id));
            // A host that went on although nobody waited may have finished in between: then it has a machine that must be found.
            await ground.Hosts.ReconcileAsync([plan.Id]);
        }
    }

    private IEnumerable<EntityId> HostsThatMayHaveIt(VirtualMachine vm)
    {
        var now = ground.Now;
        var datacenter = now.DatacenterOf(vm.Id)?.Id;
        return now.OfType<Host>()
            .Where(h => h.Connection != HostConnection.Disconnected && now.DatacenterOf(h.Id)?.Id == datacenter)
            .Select(h => h.Id)
            .Order();
    }

    private async Task TryObserveAsync(EntityId host, CancellationToken cancellation)
    {
        try
        {
            await ground.Hosts.ObserveUntilKnownAsync(host, "Looking for a new machine", cancellation);
        }
        catch (FaultException)
        {
            // Whatever keeps it from answering. Should it have made the machine, it is found when the host comes back.
        }
    }

    private async Task<string> ReserveAsync(NewMachine plan, string task)
    {
        var directory = "";
        await ground.Inventory.ApplyAsync(now =>
        {
            now.Get<Entity>(plan.Container);
            now.CheckFree(plan.Container, EntityKind.VirtualMachine, plan.Name);
            directory = MachineLayout.FreeDirectory(now, plan.Datastore, plan.Name, plan.Uuid);
            return InventoryEdit.Of(new VirtualMachine
            {
                Id = plan.Id,
                Name = plan.Name,
                Parent = plan.Container,
                Pool = plan.Pool is { } pool ? now.Get<ResourcePool>(pool).Id : null,
                Config = MachineLayout.Config(plan.Datastore, directory),
                Spec = plan.Spec(directory),
                BusyTask = task,
            });
        });
        return directory;
    }

    private async Task WriteFilesAsync(NewMachine plan, string directory, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        try
        {
            await SendAsync(plan, directory, progress, cancellation);
        }
        catch (FaultException e) when (e.Fault is FileExists)
        {
            // Files of a machine that was unregistered, or of no machine at all: they are left alone.
            var other = MachineLayout.UniqueDirectory(plan.Name, plan.Uuid);
            await ground.Inventory.ApplyAsync(now => InventoryEdit.Of(now.Get<VirtualMachine>(plan.Id) with
            {
                Config = MachineLayout.Config(plan.Datastore, other),
                Spec = plan.Spec(other),
            }));
            await SendAsync(plan, other, progress, cancellation);
        }
    }

    private Task SendAsync(NewMachine plan, string directory, IProgress<HostProgress>? progress, CancellationToken cancellation) => ground.ExecuteAsync(
        plan.Host,
        plan.Id,
        plan.Command(MachineLayout.Config(plan.Datastore, directory), plan.Spec(directory)),
        m => m is not null,
        progress,
        cancellation);
}
