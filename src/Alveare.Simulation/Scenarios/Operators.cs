using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>The people at a scenario's terminals: they ask for operations, cancel some, and remember what they were told.</summary>
internal sealed class Operators(World world, ScenarioSite site, EngineRuns engines, Promises promises)
{
    private readonly SiteWork siteWork = new(world, site);
    private readonly Realm realm = world.Nature.Beside("operators");
    private int made;

    private Random Dice => world.Dice;

    /// <summary>Asks for something that the dice choose.</summary>
    public void DoSomething()
    {
        if (engines.Current is not { } run)
            return;
        var now = run.Engine.Inventory.Current;
        var machines = now.OfType<VirtualMachine>().OrderBy(v => v.Id).ToList();
        if (Dice.Next(12) == 0)
            CancelSomething(run);
        else if (Dice.Next(7) == 0)
            SubmitAll(run, siteWork.Choose(now));
        else if (Choose(machines, site.Site.Hosts.Select(h => h.Id).ToList()) is { } operation)
            Submit(run, operation);
    }

    /// <summary>Moves a machine that runs, if there is one; answers whether.</summary>
    public bool MoveSomething()
    {
        if (engines.Current is not { } run)
            return false;
        var running = Running(run);
        if (running.Count == 0)
            return false;
        var vm = Pick(running);
        var targets = site.Site.Hosts.Select(h => h.Id).Where(h => h != vm.Host).ToList();
        Submit(run, new MigrateVm { Target = vm.Id, Host = Pick(targets) });
        return true;
    }

    /// <summary>Starts everything that is off.</summary>
    public void StartAll()
    {
        if (engines.Current is not { } run)
            return;
        foreach (var vm in run.Engine.Inventory.Current.OfType<VirtualMachine>().Where(v => !v.IsTemplate).OrderBy(v => v.Id))
            Submit(run, new PowerOn { Target = vm.Id });
    }

    /// <summary>Powers a machine that runs off, if there is one.</summary>
    public void StopSomething()
    {
        if (engines.Current is { } run && Running(run) is [_, ..] running)
            Submit(run, new PowerOff { Target = Pick(running).Id });
    }

    /// <summary>Sees to it that every host is joined and connected.</summary>
    public void BringHostsBack()
    {
        if (engines.Current is { } run)
            SubmitAll(run, siteWork.BringBack(run.Engine.Inventory.Current));
    }

    /// <summary>Asks for an operation, and does not wait for what becomes of it.</summary>
    /// <param name="session">In whose name; by default the system's.</param>
    public void Ask(Operation operation, Session? session = null)
    {
        if (engines.Current is { } run)
            Submit(run, operation, session);
    }

    /// <summary>Cancels a task that is under way, if there is one of such an operation.</summary>
    public void Cancel(params ReadOnlySpan<string> operations)
    {
        if (engines.Current is not { } run)
            return;
        foreach (var task in run.Engine.Tasks.List().Where(t => !t.HasEnded))
        {
            if (operations.Contains(task.Operation))
            {
                Cancel(run, task);
                return;
            }
        }
    }

    private static List<VirtualMachine> Running(EngineRun run) =>
        [.. run.Engine.Inventory.Current.OfType<VirtualMachine>().Where(v => v.Power == PowerState.On).OrderBy(v => v.Id)];

    private static bool IsForOthers(VirtualMachine vm) => vm.BusyTask is not null;

    private Operation? Choose(List<VirtualMachine> machines, List<EntityId> hosts)
    {
        if (machines.Count == 0)
            return Create();
        var vm = Pick(machines);
        if (IsForOthers(vm) && Dice.Next(4) > 0)
            return null;
        return Dice.Next(19) switch
        {
            0 or 1 or 2 => new PowerOn { Target = vm.Id, Host = Dice.Next(3) == 0 ? Pick(hosts) : null },
            3 or 4 => new PowerOff { Target = vm.Id },
            5 or 6 or 7 or 8 => new MigrateVm { Target = vm.Id, Host = Dice.Next(4) > 0 ? Pick(hosts) : null },
            9 => new ShutdownGuest { Target = vm.Id, Timeout = TimeSpan.FromSeconds(30) },
            10 => new ResetVm { Target = vm.Id },
            11 => Clone(machines),
            12 => Create(),
            13 => new ReconfigureVm { Target = vm.Id, Cpus = Dice.Next(1, 4), AddDisks = Dice.Next(2) == 0 ? [Bytes.FromGib(1)] : [] },
            14 => vm.IsTemplate ? new MarkVm { Target = vm.Id } : new MarkTemplate { Target = vm.Id },
            15 => new PauseVm { Target = vm.Id },
            16 => new ResumeVm { Target = vm.Id },
            17 => new RenameVm { Target = vm.Id, Name = $"renamed{++made}" },
            _ => Dice.Next(2) == 0 ? new DestroyVm { Target = vm.Id, PowerOff = Dice.Next(2) == 0 } : Create(),
        };
    }

    private CreateVm Create() => new()
    {
        Target = site.Datacenter,
        Name = $"new{++made}",
        Datastore = Pick(site.Datastores),
        Memory = Bytes.FromMib(256),
        Disks = [Bytes.FromGib(1)],
    };

    private CloneVm Clone(List<VirtualMachine> machines) => new()
    {
        Target = (machines.Find(m => m.IsTemplate) ?? Pick(machines)).Id,
        Name = $"clone{++made}",
        Kind = Dice.Next(2) == 0 ? CloneKind.Linked : CloneKind.Full,
        PowerOn = Dice.Next(2) == 0,
    };

    private T Pick<T>(List<T> from) => from[Dice.Next(from.Count)];

    private void SubmitAll(EngineRun run, IEnumerable<Operation> operations)
    {
        foreach (var operation in operations)
            Submit(run, operation);
    }

    private void Submit(EngineRun run, Operation operation, Session? session = null) =>
        realm.Enter(() => world.Begin("An operator", () => SubmitAsync(run, operation, session ?? Session.System)));

    private async Task SubmitAsync(EngineRun run, Operation operation, Session session)
    {
        var name = operation.Declaration().Name;
        var target = run.Engine.Inventory.Current.Find(operation.Target)?.Name;
        var mark = promises.Disturb(operation.Target);
        if (run.Engine.Inventory.Current.Find(operation.Target) is VirtualMachine vm)
            promises.Asked(operation, vm);
        try
        {
            world.Tell($"{name} {target}: asked for{Details(operation)}");
            var task = await run.Realm.RunAsync(() => run.Engine.Tasks.SubmitAsync(session, operation));
            promises.Accepted.Add(task.Id);
            world.Tell($"{name} {target}: accepted as {task.Id}");
            var ended = await run.Realm.RunAsync(() => run.Engine.Tasks.WaitAsync(task.Id, CancellationToken.None));
            world.Tell($"{name} {target}: {task.Id} {ended.State}{(ended.Fault is null ? "" : $": {ended.Fault}")}");
            promises.Ended(run.Engine, operation, ended, mark);
        }
        catch (FaultException e)
        {
            world.Tell($"{name} {target}: refused: {e.Fault.Code}");
        }
    }

    private void CancelSomething(EngineRun run)
    {
        if (run.Engine.Tasks.List().FirstOrDefault(t => !t.HasEnded) is { } task)
            Cancel(run, task);
    }

    private void Cancel(EngineRun run, TaskRecord task)
    {
        try
        {
            run.Realm.Enter(() => run.Engine.Tasks.Cancel(Session.System, task.Id));
            world.Tell($"{task.Operation} {task.TargetName}: {task.Id} is cancelled");
        }
        catch (FaultException e)
        {
            world.Tell($"{task.Id} is not cancelled: {e.Fault.Code}");
        }
    }

    private string Details(Operation operation) => operation switch
    {
        MigrateVm { Host: { } host } => $" to {NameOf(host)}",
        PowerOn { Host: { } host } => $" on {NameOf(host)}",
        CreateVm create => $" ({create.Name})",
        CloneVm clone => $" ({clone.Kind} {clone.Name})",
        RenameVm rename => $" ({rename.Name})",
        _ => "",
    };

    private string NameOf(EntityId host) => site.Site.Hosts.First(h => h.Id == host).Name;
}
