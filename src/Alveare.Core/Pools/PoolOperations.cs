using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Resources;

namespace Alveare.Core.Pools;

/// <summary>The operations on resource pools: a tree in each cluster, whose reservations fit into each other.</summary>
internal sealed class PoolOperations(MachineGround ground)
{
    // More than any cluster has, and far from where sums overflow.
    private static readonly Megahertz MostCpu = new(1_000_000_000);
    private static readonly Bytes MostMemory = Bytes.FromGib(1024 * 1024);

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<CreatePool>(CreateAsync);
        tasks.Handle<UpdatePool>(UpdateAsync);
        tasks.Handle<MovePool>(MoveAsync);
        tasks.Handle<DestroyPool>(DestroyAsync);
        tasks.Handle<MoveToPool>(MoveMachineAsync);
    }

    private async Task CreateAsync(CreatePool operation, TaskContext context)
    {
        var pool = new ResourcePool { Id = new EntityId(EntityKind.ResourcePool, ground.Ids.NewUuid()), Name = operation.Name, Controls = operation.Change(new PoolControls()) };
        await ground.Inventory.ApplyAsync(now =>
        {
            var cluster = now.Get<Cluster>(operation.Target);
            var parent = operation.Pool is { } above ? Within(now, cluster, above, $"Resource pool '{pool.Name}'").Id : cluster.Id;
            Check(pool);
            now.CheckFree(parent, EntityKind.ResourcePool, pool.Name);
            Require(ground.Rooms.PoolsOf(now, cluster).WhyNot(Words(pool), parent, pool.Controls.Cpu.Reservation, pool.Controls.Memory.Reservation));
            return InventoryEdit.Of(pool with { Parent = parent });
        });
        context.SetResult(pool.Id);
    }

    private Task UpdateAsync(UpdatePool operation, TaskContext context) => ground.Inventory.ApplyAsync(now =>
    {
        var before = now.Get<ResourcePool>(operation.Target);
        var after = before with { Controls = operation.Change(before.Controls) };
        Check(after);
        var pools = ground.Rooms.PoolsOf(now, now.ClusterOfPool(before.Id)!);
        var (promised, claim) = (pools.PromisedIn(before.Id), pools.ClaimOf(before.Id));
        var (cpu, memory) = (after.Controls.Cpu, after.Controls.Memory);
        RequireRoom(after, "CPU", promised.Cpu, cpu.Reservation, cpu.Limit, cpu.IsExpandable, promised.Cpu > cpu.Reservation, promised.Cpu > cpu.Limit);
        RequireRoom(after, "memory", promised.Memory, memory.Reservation, memory.Limit, memory.IsExpandable, promised.Memory > memory.Reservation, promised.Memory > memory.Limit);
        Require(pools.WhyNot(
            Words(after),
            before.Parent!.Value,
            new(Math.Max(cpu.Reservation.Value, promised.Cpu.Value) - claim.Cpu.Value),
            new(Math.Max(memory.Reservation.Value, promised.Memory.Value) - claim.Memory.Value)));
        return after == before ? InventoryEdit.Nothing : InventoryEdit.Of(after);
    });

    private Task MoveAsync(MovePool operation, TaskContext context) => ground.Inventory.ApplyAsync(now =>
    {
        var pool = now.Get<ResourcePool>(operation.Target);
        var cluster = now.ClusterOfPool(pool.Id)!;
        Entity into = operation.Into == cluster.Id ? cluster : Within(now, cluster, operation.Into, $"Moving '{pool.Name}'");
        for (Entity? above = into; above is ResourcePool; above = now.Find(above.Parent!.Value))
        {
            if (above.Id == pool.Id)
                throw new FaultException(new InvalidArgument($"Moving '{pool.Name}'", "the destination", $"'{now.PathOf(into.Id)}'", "outside of what is moved"));
        }

        if (pool.Parent == into.Id)
            return InventoryEdit.Nothing;
        now.CheckFree(into.Id, EntityKind.ResourcePool, pool.Name);
        var pools = ground.Rooms.PoolsOf(now, cluster);
        var claim = pools.ClaimOf(pool.Id);
        Require(pools.Detached(pool.Id).WhyNot(Words(pool), into.Id, claim.Cpu, claim.Memory));
        return InventoryEdit.Of(pool with { Parent = into.Id });
    });

    // What is in it claims no more of the pool above than it did.
    private Task DestroyAsync(DestroyPool operation, TaskContext context) => ground.Inventory.ApplyAsync(now =>
    {
        var pool = now.Get<ResourcePool>(operation.Target);
        var above = now.Get<Entity>(pool.Parent!.Value);
        var taken = now.Children<ResourcePool>(above.Id).Where(p => p.Id != pool.Id).Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        var pools = now.Children<ResourcePool>(pool.Id).ToList();
        if (pools.FirstOrDefault(p => taken.Contains(p.Name)) is { } twice)
            throw new FaultException(new DuplicateName(OperationCatalogue.Prefix(EntityKind.ResourcePool), twice.Name, above.Name));
        return new InventoryEdit(
            [
                .. pools.Select(p => p with { Parent = above.Id }),
                .. now.OfType<VirtualMachine>().Where(v => v.Pool == pool.Id).Select(v => v with { Pool = (above as ResourcePool)?.Id }),
            ],
            [pool.Id]);
    });

    private Task MoveMachineAsync(MoveToPool operation, TaskContext context) => ground.Inventory.ApplyAsync(now =>
    {
        var vm = now.Get<VirtualMachine>(operation.Target);
        var moved = vm with { Pool = operation.Pool };
        var cluster = now.ClusterOf(vm.Host);
        if (operation.Pool is { } id && (now.Get<ResourcePool>(id), now.ClusterOfPool(id)) is var (pool, its) && its?.Id != cluster?.Id)
        {
            throw new FaultException(new InvalidArgument(
                $"Virtual machine '{vm.Name}'", "the resource pool", $"'{pool.Name}' of cluster '{its?.Name}'", cluster is null ? "none: its host is in no cluster" : $"one of cluster '{cluster.Name}', which it is in"));
        }

        if (moved.Pool == vm.Pool)
            return InventoryEdit.Nothing;
        if (cluster is not null && vm is { MayRun: true, Spec: { } spec })
            Require(ground.Rooms.PoolsOf(now.With([moved], []), cluster).Without(vm.Id).WhyNot(new(vm.Id, spec.Memory, spec.Resources), vm.Name));
        return InventoryEdit.Of(moved);
    });

    private static ResourcePool Within(InventorySnapshot now, Cluster cluster, EntityId id, string what) =>
        now.Find(id) is ResourcePool pool && now.ClusterOfPool(id)?.Id == cluster.Id
            ? pool
            : throw new FaultException(now.Find(id) is { } other
                ? new InvalidArgument(what, "the place", $"'{now.PathOf(other.Id)}'", $"cluster '{cluster.Name}' or a resource pool of it")
                : new NotFound("resource pool", id.ToString()));

    private static void Check(ResourcePool pool)
    {
        var (cpu, memory) = (pool.Controls.Cpu, pool.Controls.Memory);
        Require(pool, "the CPU reservation", $"{cpu.Reservation}", cpu.Reservation >= Megahertz.Zero && cpu.Reservation <= MostCpu, $"0 to {MostCpu}");
        Require(pool, "the CPU limit", $"{cpu.Limit}", cpu.Limit is not { } most || (most >= cpu.Reservation && most.Value > 0 && most <= MostCpu), $"none, or not below the reservation of {cpu.Reservation}");
        Require(pool, "the CPU shares", $"{cpu.Shares}", cpu.Shares is null or (>= 1 and <= ShareScale.Max), $"1 to {ShareScale.Max}");
        Require(pool, "the memory reservation", $"{memory.Reservation}", memory.Reservation >= Bytes.Zero && memory.Reservation <= MostMemory, $"0 to {MostMemory}");
        Require(pool, "the memory limit", $"{memory.Limit}", memory.Limit is not { } all || (all >= memory.Reservation && all.Value > 0 && all <= MostMemory), $"none, or not below the reservation of {memory.Reservation}");
        Require(pool, "the memory shares", $"{memory.Shares}", memory.Shares is null or (>= 1 and <= ShareScale.Max), $"1 to {ShareScale.Max}");
        var (disk, network) = (pool.Controls.Disk, pool.Controls.Network);
        Require(pool, "the IOPS limit", $"{disk.IopsLimit}", disk.IopsLimit is null or (>= MachineLimits.MinIops and <= MachineLimits.MaxIops), $"none, or {MachineLimits.MinIops} to {MachineLimits.MaxIops} a second");
        RequireRate(pool, "the disk bandwidth limit", disk.BandwidthLimit);
        Require(pool, "the disk shares", $"{disk.Shares}", disk.Shares is null or (>= 1 and <= ShareScale.Max), $"1 to {ShareScale.Max}");
        RequireRate(pool, "the limit of what its machines send", network.OutLimit);
        RequireRate(pool, "the limit of what its machines are sent", network.InLimit);
        Require(pool, "the shares of network cards", $"{network.Shares}", network.Shares is null or (>= 1 and <= ShareScale.Max), $"1 to {ShareScale.Max}");
    }

    private static void RequireRate(ResourcePool pool, string argument, Bytes? limit) => Require(
        pool, argument, $"{limit?.Value} bytes/s", limit is not { } most || (most >= MachineLimits.MinBandwidth && most <= MachineLimits.MaxBandwidth),
        $"none, or {MachineLimits.MinBandwidth}/s to {MachineLimits.MaxBandwidth}/s");

    // What is promised in it already must go on to fit.
    private static void RequireRoom<T>(ResourcePool pool, string resource, T promised, T reservation, T? limit, bool isExpandable, bool isAboveReservation, bool isAboveLimit)
        where T : struct
    {
        Require(pool, $"the {resource} reservation", $"{reservation}, not expandable", isExpandable || !isAboveReservation, $"at least the {promised} that are promised in it, or expandable");
        Require(pool, $"the {resource} limit", $"{limit}", !isAboveLimit, $"at least the {promised} that are promised in it");
    }

    private static void Require(ResourcePool pool, string argument, string given, bool isSo, string expected)
    {
        if (!isSo)
            throw new FaultException(new InvalidArgument(Words(pool), argument, given, expected));
    }

    private static void Require(ImmutableArray<Fault> shortages)
    {
        if (shortages is [var first, ..])
            throw new FaultException(first);
    }

    private static string Words(ResourcePool pool) => $"Resource pool '{pool.Name}'";
}
