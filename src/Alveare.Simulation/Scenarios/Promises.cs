using Alveare.Core;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>What the engine has acknowledged, and whether it is true: at the moment it says so, and at the end.</summary>
internal sealed class Promises(World world, ScenarioSite site)
{
    private readonly SortedDictionary<EntityId, int> disturbances = [];
    private readonly SortedSet<EntityId> made = [];
    private readonly SortedSet<EntityId> endangered = [];
    private readonly SortedSet<EntityId> destroyed = [];
    private readonly Wanted<string> names = new();
    private readonly Wanted<int> cpus = new();
    private readonly Wanted<bool> templates = new();

    /// <summary>Ids of the tasks that were accepted.</summary>
    public SortedSet<string> Accepted { get; } = new(StringComparer.Ordinal);

    public int Succeeded { get; private set; }

    public int Failed { get; private set; }

    /// <summary>Something happens to a machine that may change what was true of it. Answers a mark for <see cref="Ended"/>.</summary>
    public int Disturb(EntityId machine) => disturbances[machine] = disturbances.GetValueOrDefault(machine) + 1;

    public int Mark(EntityId machine) => disturbances.GetValueOrDefault(machine);

    /// <summary>A machine may be gone from now on, or be otherwise: somebody asked for that.</summary>
    public void Asked(Operation operation, VirtualMachine vm)
    {
        switch (operation)
        {
            case DestroyVm:
                endangered.Add(vm.Id);
                break;
            case RenameVm rename:
                names.Ask(vm.Id, vm.Name, rename.Name);
                break;
            case ReconfigureVm { Cpus: { } wanted } when vm.Spec is { } spec:
                cpus.Ask(vm.Id, spec.Cpus, wanted);
                break;
            case MarkTemplate or MarkVm when vm.Spec is { } spec:
                templates.Ask(vm.Id, spec.IsTemplate, operation is MarkTemplate);
                break;
        }
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
        Acknowledge(operation);
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

        foreach (var vm in run.Engine.Inventory.Current.OfType<VirtualMachine>())
            CheckFiles(vm);
        foreach (var id in destroyed.Where(d => run.Engine.Inventory.Current.Find(d) is not null))
            world.Break($"{id} was destroyed and is in the inventory.");
    }

    private void Acknowledge(Operation operation)
    {
        switch (operation)
        {
            case DestroyVm:
                destroyed.Add(operation.Target);
                break;
            case RenameVm rename:
                names.Acknowledge(rename.Target, rename.Name);
                break;
            case ReconfigureVm { Cpus: { } wanted }:
                cpus.Acknowledge(operation.Target, wanted);
                break;
            case MarkTemplate or MarkVm:
                templates.Acknowledge(operation.Target, operation is MarkTemplate);
                break;
        }
    }

    // The inventory and the host may both believe what was never written.
    private void CheckFiles(VirtualMachine vm)
    {
        if (names.Against(vm.Id, vm.Name) is { } named)
            world.Break($"{vm.Id} was named {named}, and is called '{vm.Name}'.");
        if (Files(vm.Config) is not ConfigFile { Spec: { } spec })
            return;
        if (cpus.Against(vm.Id, spec.Cpus) is { } counted)
            world.Break($"'{vm.Name}' was given {counted} CPUs, and has {spec.Cpus} by its files.");
        if (templates.Against(vm.Id, spec.IsTemplate) is { } marked)
            world.Break($"Whether '{vm.Name}' is a template was made {marked}, and is '{spec.IsTemplate}' by its files.");
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

    private bool HasFiles(DatastorePath config) => Files(config) is not null;

    private SimulatedFile? Files(DatastorePath config) => site.Site.Datastores.FirstOrDefault(d => d.Id == config.Datastore)?.Find(config.Path);
}
