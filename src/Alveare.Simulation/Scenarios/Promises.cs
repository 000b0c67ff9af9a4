using Alveare.Core;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>What the engine has acknowledged, and whether it is true: at the moment it says so, and at the end.</summary>
internal sealed class Promises(World world, ScenarioSite site)
{
    private readonly SortedDictionary<EntityId, int> disturbances = [];
    private readonly SortedSet<EntityId> made = [];
    private readonly SortedSet<EntityId> endangered = [];
    private readonly SortedSet<EntityId> destroyed = [];
    private readonly SortedDictionary<EntityId, List<string>> names = [];

    /// <summary>Ids of the tasks that were accepted.</summary>
    public SortedSet<string> Accepted { get; } = new(StringComparer.Ordinal);

    public int Succeeded { get; private set; }

    public int Failed { get; private set; }

    /// <summary>Something happens to a machine that may change what was true of it. Answers a mark for <see cref="Ended"/>.</summary>
    public int Disturb(EntityId machine) => disturbances[machine] = disturbances.GetValueOrDefault(machine) + 1;

    public int Mark(EntityId machine) => disturbances.GetValueOrDefault(machine);

    /// <summary>A machine may be gone from now on: somebody asked for that.</summary>
    public void Endanger(EntityId machine) => endangered.Add(machine);

    /// <summary>A machine may be called something else from now on: somebody asked for that.</summary>
    public void Rename(VirtualMachine vm, string name)
    {
        if (!names.TryGetValue(vm.Id, out var possible))
            names[vm.Id] = possible = [vm.Name];
        possible.Add(name);
    }

    /// <summary>The engine says how a task ended.</summary>
    /// <param name="mark">The target's mark when the task was accepted: nobody touched it since if it is the same.</param>
    public void Ended(Engine engine, Operation operation, TaskRecord task, int mark)
    {
        if (task.Fault is Model.Faults.InternalError)
            world.Break($"{task.Id} ({task.Operation}) failed by a bug.");
        if (task.State != TaskState.Succeeded)
        {
            Failed++;
            return;
        }

        Succeeded++;
        if (operation is CreateVm or CloneVm && task.Result is { } result)
            made.Add(result);
        if (operation is DestroyVm)
            destroyed.Add(operation.Target);
        // What was asked for since may still come.
        if (operation is RenameVm rename && names[rename.Target] is var possible)
            possible.RemoveRange(0, possible.IndexOf(rename.Name));
        if (mark == Mark(operation.Target))
            CheckNow(engine, operation, task);
    }

    /// <summary>Nothing acknowledged is lost: checked when all is quiet.</summary>
    public void CheckAtTheEnd(EngineRun run)
    {
        var known = run.Engine.Tasks.List().ToDictionary(t => t.Id);
        foreach (var id in Accepted)
        {
            if (!known.TryGetValue(id, out var task))
                world.Break($"{id} was accepted and is not known any more.");
            else if (!task.HasEnded)
                world.Break($"{id} ({task.Operation} on '{task.TargetName}') has not ended; its step is '{task.Step}'.");
        }

        foreach (var id in made.Where(m => !endangered.Contains(m)))
        {
            if (run.Engine.Inventory.Current.Find(id) is not VirtualMachine vm)
                world.Break($"{id} was made, nobody removed it, and it is not in the inventory.");
            else if (!HasFiles(vm.Config))
                world.Break($"'{vm.Name}' was made, nobody removed it, and its files are gone.");
        }

        foreach (var (id, possible) in names)
        {
            if (run.Engine.Inventory.Current.Find(id) is VirtualMachine vm && !possible.Contains(vm.Name))
                world.Break($"{id} was named '{possible[0]}'{string.Concat(possible.Skip(1).Select(n => $", perhaps '{n}' since"))}, and is called '{vm.Name}'.");
        }

        foreach (var id in destroyed.Where(d => run.Engine.Inventory.Current.Find(d) is not null))
            world.Break($"{id} was destroyed and is in the inventory.");
    }

    private void CheckNow(Engine engine, Operation operation, TaskRecord task)
    {
        var executes = site.Site.Executions.Of(operation.Target).Select(q => q.Host).ToList();
        switch (operation)
        {
            case PauseVm when executes.Count != 0:
                world.Break($"{task.Id}: '{task.TargetName}' was paused and executes.");
                break;
            case ResumeVm when executes.Count != 1:
                world.Break($"{task.Id}: '{task.TargetName}' was resumed and does not execute.");
                break;
            case PowerOn when executes.Count != 1:
                world.Break($"{task.Id}: '{task.TargetName}' was powered on and does not execute.");
                break;
            case PowerOff or ShutdownGuest when executes.Count != 0:
                world.Break($"{task.Id}: '{task.TargetName}' was powered off and executes.");
                break;
            case MigrateVm when executes.Count == 0 && site.Site.Hosts.First(h => h.Id == task.Result).Living.Any(q => q.Machine == operation.Target):
                world.Break($"{task.Id}: '{task.TargetName}' was migrated and stands still where it went.");
                break;
            // Nobody knows what runs on a host that is not connected: a machine that is off elsewhere is moved without asking that one.
            case MigrateVm { Host: { } target } when executes.Count > 0 && executes[0] != target && engine.Hosts.IsConnected(executes[0]):
                world.Break($"{task.Id}: '{task.TargetName}' was migrated and executes elsewhere.");
                break;
        }
    }

    private bool HasFiles(DatastorePath config) =>
        site.Site.Datastores.FirstOrDefault(d => d.Id == config.Datastore)?.Find(config.Path) is not null;
}
