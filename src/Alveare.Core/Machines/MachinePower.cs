using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Planning.Placement;
using Alveare.Planning.Rules;

namespace Alveare.Core.Machines;

/// <summary>Powering machines on and off.</summary>
internal sealed class MachinePower(MachineGround ground, WakingPlacement placement, EventLog events)
{
    private static readonly TimeSpan LongestShutdown = TimeSpan.FromHours(24);

    public async Task StartAsync(PowerOn operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        var early = RequireTurn(ground.Now, vm);
        var spec = MachineGround.SpecOf(vm);
        var cpu = spec.CpuModel ?? BaselineOf(operation.Host ?? vm.Host);
        var needs = MachineNeeds.Of(spec with { Name = vm.Name, CpuModel = cpu }, vm.Config.Datastore, ground.NameOf(vm.Config.Datastore));
        var share = new RoomShare(vm.Id, needs.Memory, spec.Resources);
        using var room = await PlaceAsync(vm, share, needs, operation.Host, context);
        var why = operation.Host is null ? WhyElsewhere(vm, share, needs, room.Host) : "";
        context.PointOfNoReturn = "the machine is being started";
        if (room.Host != vm.Host)
        {
            context.Report(null, $"registering it on host '{ground.NameOf(room.Host)}'{why}");
            await ground.ReregisterAsync(vm, room.Host);
        }

        context.Report(null, $"starting it on host '{ground.NameOf(room.Host)}'{why}");
        // The newest epoch that any host has told of: an older view of the disk, there or here, does not start a machine again.
        var epoch = ground.Now.Get<VirtualMachine>(vm.Id).LockEpoch;
        await ground.ExecuteAsync(room.Host, vm.Id, new StartMachine(vm.Id, epoch, operation.Paused, BaselineOf(room.Host)), m => HasStarted(vm, m, epoch));
        if (early is not null)
            events.Add(EventSeverity.Warning, "rule.started-early", early, vm.Id, context.Session.User);
        context.SetResult(room.Host);
    }

    private async Task<PromisedRoom> PlaceAsync(VirtualMachine vm, RoomShare share, MachineNeeds needs, EntityId? named, TaskContext context)
    {
        PreferredHost? preferred = vm.Host is { } own ? new(own, IsAtAnyLoad: ground.Now.ClusterOf(own) is null) : null;
        try
        {
            return await placement.PromiseAsync(
                share, needs, now => named is { } host ? [now.Get<Host>(host)] : MachinePlacement.StartHosts(now, vm), isNamed: named is not null, preferred, context);
        }
        catch (HostRefusedException e)
        {
            throw e.NamingOthers(ground.Rooms.Ask(
                [share], now => MachinePlacement.Neighbours(now, vm).Where(h => h.Id != named), rooms => Placer.Choose(needs, rooms)));
        }
    }

    // Of a machine that does not start where it was: said in its task, also when that has ended.
    private string WhyElsewhere(VirtualMachine vm, RoomShare share, MachineNeeds needs, EntityId chosen)
    {
        if (vm.Host is not { } own || own == chosen)
            return "";
        var answer = ground.Rooms.Ask([share], now => new[] { now.Find(chosen), now.Find(own) }.OfType<Host>(), rooms => Placer.Choose(needs, rooms));
        return $": {Placer.WhyElsewhere(needs, answer, own)}";
    }

    public async Task StopAsync(PowerOff operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        context.Report(null, $"stopping it on host '{ground.NameOf(MachineGround.HostOf(vm))}'");
        await ground.ExecuteAsync(MachineGround.HostOf(vm), vm.Id, new StopMachine(vm.Id), m => m?.Power == PowerState.Off);
    }

    public async Task ResetAsync(ResetVm operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        await ground.ExecuteAsync(
            MachineGround.HostOf(vm),
            vm.Id,
            new ResetMachine(vm.Id),
            // Nothing shows whether it was done, and a second reset would be a second effect.
            _ => throw new FaultException(new Interrupted($"Resetting virtual machine '{vm.Name}'", "the host's answer was lost, so it may or may not have been reset")));
    }

    public Task PauseAsync(PauseVm operation, TaskContext context) =>
        ExecuteAsync(operation.Target, new PauseMachine(operation.Target), PowerState.Paused);

    public Task ResumeAsync(ResumeVm operation, TaskContext context) =>
        ExecuteAsync(operation.Target, new ResumeMachine(operation.Target), PowerState.On);

    public async Task ShutDownAsync(ShutdownGuest operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        if (operation.Timeout <= TimeSpan.Zero || operation.Timeout > LongestShutdown)
        {
            throw new FaultException(new InvalidArgument(
                $"Virtual machine '{vm.Name}'", "the timeout", operation.Timeout.ToString("c", CultureInfo.InvariantCulture), $"more than 0 and at most {LongestShutdown.TotalHours} hours"));
        }

        context.Report(null, "asking the guest");
        await ground.ExecuteAsync(
            MachineGround.HostOf(vm), vm.Id, new ShutDownGuest(vm.Id), m => m?.Power == PowerState.Off, cancellation: context.Cancellation);
        context.Report(null, "waiting for the guest to shut down");
        if (!await ground.UntilAsync(now => IsOff(now.Find(vm.Id)), operation.Timeout, context.Cancellation))
            throw new FaultException(new GuestNotReachable(vm.Name, string.Create(CultureInfo.InvariantCulture, $"it was asked to shut down and still runs after {operation.Timeout.TotalSeconds:0.#} s")));
    }

    private Task<HostReply> ExecuteAsync(EntityId machine, HostCommand command, PowerState power) =>
        ground.ExecuteAsync(MachineGround.HostOf(ground.Now.Get<VirtualMachine>(machine)), machine, command, m => m?.Power == power);

    /// <summary>Refuses a start that a rule which must hold puts after others'; answers what a rule that only should hold has to say, or null.</summary>
    private static string? RequireTurn(InventorySnapshot now, VirtualMachine vm)
    {
        if (now.ClusterOf(vm.Host) is not { } cluster)
            return null;
        // Nobody waits for one that has left the cluster, by being destroyed or otherwise.
        var waits = StartOrder.WaitsFor(cluster, vm.Id, id => now.Find(id) is not VirtualMachine { Power: not PowerState.On } other || now.ClusterOf(other.Host)?.Id != cluster.Id)
            .Select(w => (w.Rule, Names: w.Waiting.Select(id => $"'{now.Find(id)?.Name}'").ToImmutableArray()))
            .ToList();
        if (waits.Find(w => w.Rule.IsMust) is { Rule: { } must } refusal)
            throw new FaultException(new StartsAfter(vm.Name, must.Name, refusal.Names));
        return waits.Count == 0
            ? null
            : $"'{vm.Name}' was started before those that should be on first: {string.Join("; ", waits.Select(w => $"{string.Join(", ", w.Names)} by rule '{w.Rule.Name}'"))}.";
    }

    // Placement keeps a machine in its cluster, so that the baseline of one host there is that of all.
    private string? BaselineOf(EntityId? host) => ground.Now.ClusterOf(host)?.CpuBaseline;

    private static bool IsOff(Entity? vm) => vm is not VirtualMachine { Power: not PowerState.Off } and not VirtualMachine { IsStale: true };

    private static bool HasStarted(VirtualMachine vm, HostMachine? machine, long epoch) => machine switch
    {
        { Power: PowerState.On or PowerState.Paused } => true,
        // The lock was taken since: it did start, and sending the command again would start it a second time.
        { } ended when ended.LockEpoch > epoch => throw new FaultException(new MachineStartFailed(vm.Name, "it was started, and is off again")),
        _ => false,
    };
}
