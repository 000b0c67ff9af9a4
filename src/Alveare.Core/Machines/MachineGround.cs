using Alveare.Core.Changes;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Statistics;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Machines;

/// <summary>What the operations on machines work with, and the few things all of them do.</summary>
/// <remarks>What a host answers about a machine is in the inventory when <see cref="HostSessions"/> hands the answer on: handlers change in
/// the inventory only what no host knows (folders, names that are free, the host of a machine that is off).</remarks>
internal sealed record MachineGround(
    InventoryWriter Inventory,
    TaskEngine Tasks,
    HostSessions Hosts,
    HostRooms Rooms,
    StatisticsHistory Statistics,
    Feed Feed,
    IdSource Ids,
    TimeProvider Clock)
{
    public InventorySnapshot Now => Inventory.Current;

    public string NameOf(EntityId id) => Now.Find(id)?.Name ?? id.ToString();

    /// <summary>The configuration of a machine whose files are valid.</summary>
    public static MachineSpec SpecOf(VirtualMachine vm) =>
        vm.Spec ?? throw new FaultException(new InvalidMachine(vm.Name, vm.InvalidReason ?? "no host has read them yet"));

    /// <summary>As <see cref="SpecOf"/>, by the name people know it and with the CPU that its guest sees now, not the one it would get at its next start.</summary>
    public static MachineSpec RunningSpec(VirtualMachine vm)
    {
        var spec = SpecOf(vm);
        return spec with { Name = vm.Name, CpuModel = vm.CpuModel ?? spec.CpuModel };
    }

    /// <summary>The host a machine is registered on.</summary>
    public static EntityId HostOf(VirtualMachine vm) =>
        vm.Host ?? throw new FaultException(new InvalidState(vm.Name, "registered on no host", "registered on one (register its files again)"));

    /// <summary>Sends a command about one machine; when the answer is lost, waits for the host and finds out.</summary>
    /// <param name="isDone">Whether the command was done, given the machine as its host has it afterwards (null when it does not).</param>
    public async Task<HostReply> ExecuteAsync(
        EntityId host,
        EntityId machine,
        HostCommand command,
        Func<HostMachine?, bool> isDone,
        IProgress<HostProgress>? progress = null,
        CancellationToken cancellation = default) =>
        await Hosts.ExecuteUntilKnownAsync(
            host,
            command,
            snapshot =>
            {
                var found = snapshot.Machines.FirstOrDefault(m => m.Id == machine);
                return !isDone(found) ? null : found is null ? Done.Instance : new MachineReply(found);
            },
            progress,
            cancellation);

    /// <summary>Registers a machine that is off on another host than before, and takes it from the old one if that answers.</summary>
    /// <remarks>Killed before the inventory is switched: two hosts have it registered, and it counts as being where it was. After: the old
    /// host may still have it, and it counts as being on the new one. It is off either way, the on-disk lock keeps it to one place, and
    /// <see cref="StrayRegistrations"/> takes the registration away that is too many.</remarks>
    public async Task ReregisterAsync(VirtualMachine vm, EntityId target)
    {
        await ExecuteAsync(target, vm.Id, new RegisterMachine(vm.Config), m => m is not null);
        try
        {
            await Inventory.ApplyAsync(now =>
            {
                var known = now.Get<VirtualMachine>(vm.Id);
                // Started since somebody looked: its place is where it runs.
                if (known.Power is PowerState.On or PowerState.Paused)
                    throw new FaultException(new InvalidPowerState(known.Name, known.Power, PowerStates.Off));
                return InventoryEdit.Of(known with { Host = target, IsStale = false, Pool = now.PoolOn(target, known) });
            });
        }
        catch (FaultException)
        {
            await ForgetAsync(vm.Id, target);
            throw;
        }

        if (vm.Host is { } old)
            await ForgetAsync(vm.Id, old);
    }

    /// <summary>Takes a machine's registration from a host, if it answers: one that does not is no reason to fail.</summary>
    public async Task ForgetAsync(EntityId machine, EntityId host)
    {
        try
        {
            await ExecuteAsync(host, machine, new UnregisterMachine(machine), m => m is null);
        }
        catch (FaultException e) when (e.Fault is HostNotConnected or Interrupted or NotFound)
        {
            // It is taken away when that host comes back.
        }
    }

    /// <summary>As <see cref="ForgetAsync"/>, for a registration that is nobody's place: a host that refuses is asked again later.</summary>
    public async Task TryForgetAsync(EntityId machine, EntityId host)
    {
        try
        {
            await ForgetAsync(machine, host);
        }
        catch (FaultException)
        {
            // It is still seen there.
        }
    }

    /// <summary>Changes the inventory in line with what hosts have done already: a store that cannot write does not undo that, so it is tried
    /// until it can. The edit itself must not refuse.</summary>
    public Task InsistAsync(Func<InventorySnapshot, InventoryEdit> edit) => InsistAsync(() => Inventory.ApplyAsync(edit));

    /// <summary>As the other one, for a change that is made in another way.</summary>
    public async Task InsistAsync(Func<Task> change)
    {
        while (true)
        {
            try
            {
                await change();
                return;
            }
            catch (FaultException) when (!Tasks.IsStopped)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), Clock);
            }
        }
    }

    /// <summary>Waits until the inventory is as asked; false when it is not within the time.</summary>
    public async Task<bool> UntilAsync(Func<InventorySnapshot, bool> isSo, TimeSpan atMost, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(atMost, Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            while (true)
            {
                var seen = Feed.Last;
                if (isSo(Now))
                    return true;
                await Feed.WaitAsync(seen, either.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return isSo(Now);
        }
    }
}
