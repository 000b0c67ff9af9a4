using Alveare.Core.Inventory;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>What must be true when everything is mended and everybody has finished.</summary>
internal sealed class Quiet(World world, ScenarioSite site, EngineRuns engines, Operators operators)
{
    // Longer than the longest anything waits for anything: a task that has not ended by then does not end.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private IEnumerable<SimulatedHost> Hosts => site.Site.Hosts;

    /// <summary>Waits until every task has ended, every host is connected and nothing moves.</summary>
    public async Task AwaitAsync()
    {
        var began = world.Time.GetTimestamp();
        while (!IsQuiet() && world.Time.GetElapsedTime(began) < Patience)
        {
            operators.BringHostsBack();
            await Task.Delay(TimeSpan.FromSeconds(5), world.Time);
        }

        await Task.Delay(TimeSpan.FromSeconds(5), world.Time);
    }

    public void Check()
    {
        var now = engines.Current!.Engine.Inventory.Current;
        foreach (var vm in now.OfType<VirtualMachine>())
            CheckMachine(now, vm);
        foreach (var host in Hosts)
        {
            CheckHost(now, host);
            CheckProcesses(now, host);
        }

        CheckLocks();
    }

    private bool IsQuiet() =>
        engines.Current is { Engine: { } engine }
        && engine.Tasks.List().All(t => t.HasEnded)
        && Hosts.All(h => engine.Hosts.IsConnected(h.Id))
        && Hosts.All(h => h.Agent!.Snapshot.Machines.All(m => m.Migration is null && IsAtHome(engine.Inventory.Current, m, h)))
        && Hosts.All(h => h.Disk.Processes.All(q => !q.HasEnded));

    private static bool IsAtHome(InventorySnapshot now, HostMachine machine, SimulatedHost host) =>
        now.Find(machine.Id) is VirtualMachine vm && vm.Host == host.Id;

    private void CheckMachine(InventorySnapshot now, VirtualMachine vm)
    {
        var executing = site.Site.Executions.Of(vm.Id);
        if (vm.BusyTask is { } task)
            world.Break($"'{vm.Name}' is still busy with {task}.");
        if (vm.IsStale)
            world.Break($"'{vm.Name}' counts as stale though every host is connected.");
        if (vm.Host is null)
            world.Break($"'{vm.Name}' is on no host any more.");
        if (vm.Power == PowerState.On != (executing.Count == 1))
            world.Break($"The inventory says that '{vm.Name}' is {vm.Power}; it executes in {executing.Count} places.");
        if (executing.Count == 1 && executing[0].Host != vm.Host)
            world.Break($"The inventory says that '{vm.Name}' is on '{NameOf(now, vm.Host)}'; it executes on '{executing[0].HostName}'.");
        if (vm.Host is not { } host || Hosts.FirstOrDefault(h => h.Id == host)?.Agent is not { } agent)
            return;
        if (agent.Snapshot.Machines.FirstOrDefault(m => m.Id == vm.Id) is not { } said)
            world.Break($"The inventory says that '{vm.Name}' is on '{NameOf(now, host)}', which does not have it.");
        else if ((said.Power, said.LockEpoch, said.Config) != (vm.Power, vm.LockEpoch, vm.Config) || said.Spec != vm.Spec)
            world.Break($"'{NameOf(now, host)}' says of '{vm.Name}' {Shown(said.Power, said.LockEpoch)}, the inventory {Shown(vm.Power, vm.LockEpoch)}.");
        else if (vm.Spec is { } spec && spec.Name != vm.Name)
            world.Break($"The inventory calls '{vm.Name}' what its files call '{spec.Name}'.");
    }

    private void CheckHost(InventorySnapshot now, SimulatedHost host)
    {
        foreach (var said in host.Agent!.Snapshot.Machines)
        {
            if (now.Find(said.Id) is not VirtualMachine vm)
                world.Break($"'{host.Name}' has '{said.Config.Path}', which the inventory does not know.");
            else if (vm.Host != host.Id)
                world.Break($"'{host.Name}' says that '{vm.Name}' is {said.Power} there; the inventory has it on '{NameOf(now, vm.Host)}'.");
            if (said.Migration is { } migration)
                world.Break($"'{host.Name}' still has '{said.Config.Path}' in migration {migration.Id} ({migration.Phase}).");
        }
    }

    private void CheckProcesses(InventorySnapshot now, SimulatedHost host)
    {
        foreach (var qemu in host.Disk.Processes)
        {
            if (qemu.HasEnded)
                world.Break($"'{host.Name}' has not cleaned up after the QEMU of '{qemu.Name}'.");
            else if (now.Find(qemu.Machine) is not VirtualMachine vm)
                world.Break($"'{host.Name}' has an orphan QEMU of '{qemu.Name}' that nobody knows.");
            else if (!qemu.Executes && vm.Power != PowerState.Paused)
                world.Break($"'{host.Name}' has a QEMU of '{qemu.Name}' that does not execute; the inventory says that it is {vm.Power}.");
        }
    }

    private void CheckLocks()
    {
        foreach (var (datastore, name, held) in site.Site.Datastores.SelectMany(d => d.Locks.Select(l => (d, l.Key, l.Value))))
        {
            if (held.Owner is { } owner && !Hosts.First(h => h.Id == owner).Living.Any(q => q.Datastore == datastore && q.LockName == name))
                world.Break($"The lock of '{name}' is held by '{held.OwnerName}' (epoch {held.Epoch}), where it does not run.");
        }
    }

    private static string Shown(PowerState power, long epoch) => $"{power} at epoch {epoch}";

    private static string NameOf(InventorySnapshot now, Model.EntityId? id) => id is { } given ? now.Find(given)?.Name ?? given.ToString() : "no host";
}
