using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>A resource pool of a scenario's cluster that cannot expand, filled and narrowed at the same moments; watched by what executes, whatever anybody
/// says of it.</summary>
internal sealed class PoolWatch(World world, ScenarioSite site, EngineRuns engines, Operators operators)
{
    private const int Members = 3;

    /// <summary>What each of its machines is promised.</summary>
    private static readonly Megahertz Each = new(500);

    private EntityId? pool;
    private (EngineRun Run, bool IsKept)? lastLook;

    /// <summary>What makes the pool, and then what puts machines into it.</summary>
    public async Task SetUpAsync(Func<Operation, Task<TaskRecord>> doAsync)
    {
        var made = await doAsync(new CreatePool { Target = site.Cluster!.Value, Name = "guarded", CpuReservation = new(Each.Value * 2), CpuExpandable = false });
        pool = made.Result;
        var machines = engines.Current!.Engine.Inventory.Current.OfType<VirtualMachine>().Where(v => !v.IsTemplate).OrderBy(v => v.Id).Take(Members).ToList();
        foreach (var vm in machines)
        {
            await doAsync(new SetResources { Target = vm.Id, CpuReservation = Each });
            await doAsync(new MoveToPool { Target = vm.Id, Pool = pool });
        }
    }

    /// <summary>One of its machines ends, so that another finds a place.</summary>
    public void Drain()
    {
        if (MachinesOf(engines.Current) is [_, ..] machines)
            operators.Ask(new PowerOff { Target = machines[world.Dice.Next(machines.Count)].Id });
    }

    /// <summary>Its machines start and the pool is made smaller or larger, all at once.</summary>
    public void Fill()
    {
        if (pool is not { } id)
            return;
        var starts = MachinesOf(engines.Current).Select(v => (Operation)new PowerOn { Target = v.Id });
        Operation[] all = [.. starts, new UpdatePool { Target = id, CpuReservation = new(Each.Value * world.Dice.Next(1, Members)) }];
        world.Dice.Shuffle(all);
        foreach (var operation in all)
            operators.Ask(operation);
    }

    /// <summary>Looks once. What an engine promised that was killed in the middle of a start is not known to the next one.</summary>
    public void Look()
    {
        if (engines.Current is not { } run || pool is not { } id || run.Engine.Inventory.Current.Find(id) is not ResourcePool known)
            return;
        var executing = MachinesOf(run).Where(v => site.Site.Executions.Of(v.Id).Count > 0).ToList();
        var promised = executing.Sum(v => v.Spec?.Resources.Cpu.Reservation.Value ?? 0);
        var isKept = promised <= known.Controls.Cpu.Reservation.Value;
        if (!isKept && lastLook is { IsKept: true } last && last.Run == run)
        {
            world.Break(
                $"Resource pool '{known.Name}' has {known.Controls.Cpu.Reservation} to promise, and its machines are promised {new Megahertz(promised)}: {string.Join(", ", executing.Select(v => v.Name))}.");
        }

        lastLook = (run, isKept);
    }

    private List<VirtualMachine> MachinesOf(EngineRun? run) =>
        run is null || pool is null ? [] : [.. run.Engine.Inventory.Current.OfType<VirtualMachine>().Where(v => v.Pool == pool).OrderBy(v => v.Id)];
}
