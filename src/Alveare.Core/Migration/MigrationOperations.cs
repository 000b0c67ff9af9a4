using System.Globalization;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Placement;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Migration;

namespace Alveare.Core.Migration;

/// <summary>Moves machines to other hosts: live when they run, by registration when they are off.</summary>
internal sealed class MigrationOperations(MachineGround ground, MigrationCosts costs)
{
    /// <summary>How many live migrations a host takes part in at once; the rest wait.</summary>
    public const int SlotsPerHost = 8;

    /// <summary>How many live migrations of a datastore's machines are made at once, whoever asked for them: each has the guest's caches written and its disks opened on another host.</summary>
    public const int SlotsPerDatastore = 32;

    /// <summary>How many live migrations a cluster's migration network carries at once: more than a datastore's, so that one that hangs does not hold up the machines of others.</summary>
    public const int SlotsPerCluster = 64;

    // Balancing has smaller budgets of its own, and waits for those before it begins a migration, never the other way round.
    private readonly SlotBudget _slots = SlotBudget.OfMigrations(SlotsPerHost, SlotsPerDatastore, SlotsPerCluster);

    private readonly GroupMigration _groups = new(ground);
    private readonly MoveTargets _targets = new(ground);

    public static void HandleAll(MachineGround ground, MigrationCosts costs)
    {
        var operations = new MigrationOperations(ground, costs);
        ground.Tasks.Handle<MigrateVm>(operations.MigrateAsync);
        ground.Tasks.FindOut<MigrateVm>(operations.FindOutAsync);
    }

    private async Task MigrateAsync(MigrateVm operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        if (operation.BandwidthLimit < 0)
            throw new FaultException(new InvalidArgument(vm.Name, "the bandwidth limit", $"{operation.BandwidthLimit} bytes per second", "0 (no limit) or more"));
        // Its host is asked, not the inventory: a machine that was started a moment ago must not be registered elsewhere.
        if (vm.Host is { } host && await FindOnAsync(host, vm, context) is { Power: not PowerState.Off })
            await MigrateLiveAsync(vm, operation, context);
        else
            await MoveAsync(vm, operation.Host, context);
    }

    /// <summary>A machine that is off only changes its registration.</summary>
    private async Task MoveAsync(VirtualMachine vm, EntityId? named, TaskContext context)
    {
        using var room = _targets.PromiseRegistration(vm, named);
        context.Cancellation.ThrowIfCancellationRequested();
        context.PointOfNoReturn = "the machine is being registered on its new host";
        context.Report(null, $"registering it on host '{ground.NameOf(room.Host)}'");
        await ground.ReregisterAsync(vm, room.Host);
        context.SetResult(room.Host);
    }

    private async Task MigrateLiveAsync(VirtualMachine vm, MigrateVm operation, TaskContext context)
    {
        var source = MachineGround.HostOf(vm);
        var group = operation.WithGroup ? _targets.MovingWith(vm, source) : [vm];
        using var room = await _targets.PromiseLive(group, source, operation.Host).SettleAsync();
        // All have their place before one of them moves.
        var followers = await _groups.FollowAsync([.. group.Where(v => v.Id != vm.Id)], vm, operation, room.Host, context);
        try
        {
            await MigrateAloneAsync(vm, source, room.Host, operation, context);
        }
        catch
        {
            await _groups.EndAsync(followers, isCalledOff: true, context);
            throw;
        }

        await _groups.RequireAsync(vm, room.Host, followers, context);
    }

    private async Task MigrateAloneAsync(VirtualMachine vm, EntityId source, EntityId target, MigrateVm operation, TaskContext context)
    {
        using var slot = await TakeSlotAsync(vm, source, target, context);
        // Its place is kept, but much may have changed while it waited: the target is asked for once more.
        using var still = await _targets.PromiseLive([vm], source, target).SettleAsync();
        var machine = await FindOnAsync(source, vm, context);
        if (machine?.Power != PowerState.On)
            throw new FaultException(new InvalidPowerState(vm.Name, machine?.Power ?? PowerState.Unknown, PowerStates.On));
        await CheckMovableAsync(source, vm.Id, context);
        var move = new MachineMove(ground.Ids.NewUuid(), source, target);
        var settings = new MigrationSettings
        {
            BandwidthLimit = operation.BandwidthLimit,
            TlsKey = ground.Ids.NewSecret(32),
            Channels = TransferChannels.Choose(MachineGround.SpecOf(vm).Memory, ThreadsOf(source), ThreadsOf(target)),
        };
        var figures = await new LiveMigration(ground, vm, move, settings, machine.CpuModel, context).RunAsync(machine.LockEpoch);
        // One that was told to be slow says nothing of the link.
        if (figures is not null && operation.BandwidthLimit == 0)
            await costs.LearnAsync(vm.Id, move, figures, ground.Statistics.LatestDemandOf(vm.Id)?.Consumed.Mb ?? 0);
    }

    // What only the machine's QEMU knows; everything else has been asked before its place was kept.
    private async Task CheckMovableAsync(EntityId source, EntityId vm, TaskContext context)
    {
        try
        {
            await ground.Hosts.ExecuteAsync(source, new CheckMovable(vm), null, context.Cancellation);
        }
        catch (FaultException e) when (e.Fault is InvalidArgument or Unsupported)
        {
            // An older agent does not know the question, and QEMU refuses once it is told to begin.
        }
    }

    private async Task<HostMachine?> FindOnAsync(EntityId host, VirtualMachine vm, TaskContext context) =>
        (await ground.Hosts.RefreshAsync(host, context.Cancellation)).Machines.FirstOrDefault(m => m.Id == vm.Id);

    private int ThreadsOf(EntityId host) => ground.Now.Get<Host>(host).Facts?.CpuThreads ?? 0;

    private async Task<IDisposable> TakeSlotAsync(VirtualMachine vm, EntityId source, EntityId target, TaskContext context)
    {
        var taking = _slots.TakeAsync(PlacesOf(vm, source, target), context.Cancellation);
        if (taking.IsCompletedSuccessfully)
            return await taking;
        context.Report(null, string.Create(
            CultureInfo.InvariantCulture,
            $"waiting: at most {SlotsPerHost} migrations are made at once per host, {SlotsPerDatastore} per datastore and {SlotsPerCluster} per cluster"));
        context.Queue(true);
        var slot = await taking;
        context.Queue(false);
        return slot;
    }

    /// <summary>Where a migration takes a place: on both hosts, on the networks of their clusters, and on the machine's datastore.</summary>
    private List<EntityId> PlacesOf(VirtualMachine? vm, EntityId source, EntityId target)
    {
        var now = ground.Now;
        EntityId?[] places = [source, target, now.ClusterOf(source)?.Id, now.ClusterOf(target)?.Id, vm?.Config.Datastore];
        return [.. places.OfType<EntityId>().Distinct()];
    }

    /// <summary>Follows a migration that an earlier run of the engine arranged to its end: the hosts need no engine for it.</summary>
    private async Task<LeftoverOutcome> FindOutAsync(TaskRecord task, TaskContext context, CancellationToken cancellation)
    {
        const string reason = "the center was restarted while it ran";
        if (task.Move is not { } move)
            return new LeftoverOutcome(TaskState.Failed, new Interrupted($"Migrating '{task.TargetName}'", $"{reason}, and nothing had begun to move"));
        // It goes on whether they are taken or not: others wait for it, and find no room that it needs.
        using var slot = await _slots.TakeAsync(PlacesOf(ground.Now.Find(task.Target) as VirtualMachine, move.Source, move.Target), cancellation);
        using var room = KeptRoom(task.Target, move.Target);
        foreach (var host in new[] { move.Source, move.Target })
            await TryConnectAsync(host, cancellation);
        var settling = new MigrationSettling(ground, task.Target, move);
        context.PointOfNoReturn = null;
        using var cancelling = context.Cancellation.Register(() => _ = settling.CancelOnAsync(move.Source));
        var found = await settling.FindAsync(seen => FollowAsync(seen, context), cancellation);
        if (found == Whereabouts.OnTarget)
            return new LeftoverOutcome(TaskState.Succeeded, null, move.Target);
        // It may have been prepared there and never begun here.
        await settling.CancelOnAsync(move.Target);
        return found == Whereabouts.OnSource && context.Cancellation.IsCancellationRequested
            ? new LeftoverOutcome(TaskState.Cancelled)
            : new LeftoverOutcome(TaskState.Failed, settling.FaultOf(found, $"{reason}, and the hosts did not complete it"));
    }

    private PromisedRoom? KeptRoom(EntityId id, EntityId target) => ground.Now.Find(id) is VirtualMachine { Spec: { } spec }
        ? ground.Rooms.Promise([new RoomShare(id, spec.Memory, spec.Resources)], now => now.Find(target) is Host host ? [host] : [], _ => target)
        : null;

    private static Task FollowAsync(HostMigration seen, TaskContext context)
    {
        if (seen.Phase >= MigrationPhase.Switch)
            context.PointOfNoReturn ??= MigrationSettling.Switching;
        context.Report(null, seen.Phase.ToString().ToLowerInvariant());
        return Task.CompletedTask;
    }

    private async Task TryConnectAsync(EntityId host, CancellationToken cancellation)
    {
        try
        {
            await ground.Hosts.ObserveUntilKnownAsync(host, "Settling a migration", cancellation);
        }
        catch (FaultException)
        {
            // Whatever keeps it from answering: the other end's word may be enough.
        }
    }
}
