using System.Globalization;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Store;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Resources;
using Alveare.Model.Tasks;
using Alveare.Planning.Placement;

namespace Alveare.Core.Machines;

/// <summary>Machines from files that are there, out of the inventory again, and away with their files.</summary>
internal sealed class MachineRegistration(MachineGround ground, ArrivalPlacement placement, DestroyedMachines destroyed)
{
    private const string Extension = ".vmx";

    public async Task RegisterAsync(RegisterVm operation, TaskContext context)
    {
        var before = ground.Now;
        var datacenter = before.Get<Datacenter>(operation.Target);
        var config = new DatastorePath(operation.Datastore, CheckedPath(operation.Path));
        var stem = config.FileName[..^Extension.Length];
        var container = MachineChecks.Container(before, datacenter, operation.Folder, stem);
        var datastore = MachineChecks.DatastoreOf(before, datacenter, operation.Datastore, stem);
        if (before.OfType<VirtualMachine>().FirstOrDefault(v => v.Config == config && v.Host is not null) is { } present)
        {
            if (present.InvalidReason is null)
                throw new FaultException(new ObjectInUse($"[{datastore.Name}] {config.Path}", $"virtual machine '{present.Name}', which is registered from it"));
            context.Report(null, "reading its files again");
            var mended = await RegisterOnAsync(MachineGround.HostOf(present), config);
            await ground.Inventory.ApplyAsync(now => Replace(now, present, mended));
            context.SetResult(mended.Id);
            return;
        }

        var needs = new MachineNeeds(stem, Bytes.Zero, datastore.Id, datastore.Name, [], []);
        using var room = await placement.PromiseAsync(default, needs, ResourceControls.None, datacenter, operation.Location, willRun: false, context);
        var host = room.Host;
        context.Report(null, $"registering it on host '{ground.NameOf(host)}'");
        var machine = await RegisterOnAsync(host, config);
        if (before.Find(machine.Id) is VirtualMachine { Host: not null } other)
        {
            if (machine.Config == config)
                await ground.ForgetAsync(machine.Id, host);
            throw new FaultException(new InvalidMachine(stem, $"its uuid is that of virtual machine '{other.Name}', so it is a copy of it: clone that machine instead"));
        }

        // An orphan that is found again keeps its name and its folder.
        if (before.Find(machine.Id) is null)
            await PutAsync(machine, host, container, MachinePlacement.PoolOf(operation.Location));
        context.SetResult(machine.Id);
    }

    public async Task UnregisterAsync(UnregisterVm operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        // Of a host that does not answer it is only taken out of the inventory, and found again should that host come back with it.
        if (vm.Host is { } host && ground.Hosts.IsConnected(host))
            await ground.ExecuteAsync(host, vm.Id, new UnregisterMachine(vm.Id), m => m is null);
        foreach (var other in ground.Hosts.StraysOf(vm.Id))
            await ground.ForgetAsync(vm.Id, other);
        await RemoveAsync(vm.Id, context);
    }

    public async Task UnregisterElsewhereAsync(UnregisterElsewhere operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        var strays = ground.Hosts.StraysOf(vm.Id);
        if (strays.Count == 0)
            throw new FaultException(new InvalidState(vm.Name, "registered on no other connected host where it is off", "registered on one"));
        foreach (var host in strays)
        {
            context.Report(null, $"taking its registration from host '{ground.NameOf(host)}'");
            await ground.ForgetAsync(vm.Id, host);
        }
    }

    public async Task DestroyAsync(DestroyVm operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        var isOn = vm.Power != PowerState.Off;
        context.Report(null, isOn ? "powering it off and deleting its files" : "deleting its files");
        using var expected = ground.Hosts.Expect(vm.Id);
        await ground.ExecuteAsync(MachineGround.HostOf(vm), vm.Id, new DestroyMachine(vm.Id, PowerOff: isOn), m => m is null);
        await BuryAsync(vm.Id, vm.Config, context);
    }

    /// <summary>Completes what an earlier run of the engine was asked to destroy. How far the host had come cannot be seen: told again, it
    /// does the rest, or says what is in the way. Other files of the same identity, which may have been found meanwhile, are not meant.</summary>
    public async Task<LeftoverOutcome> FinishDestroyingAsync(TaskRecord task, TaskContext context, CancellationToken cancellation)
    {
        var believed = ground.Now.Find(task.Target) as VirtualMachine;
        // An earlier build did not store which files were meant: those that the inventory names before hosts are asked.
        var files = task.TargetFiles ?? believed?.Config;
        if (believed?.Host is { } asked)
            await ground.Hosts.ObserveUntilKnownAsync(asked, $"Destroying '{task.TargetName}'", cancellation);
        if (ground.Now.Find(task.Target) is VirtualMachine { Host: { } host } vm && vm.Config == files)
            await ground.ExecuteAsync(host, vm.Id, new DestroyMachine(vm.Id), m => m is null, null, cancellation);
        await BuryAsync(task.Target, files, context);
        return new LeftoverOutcome(TaskState.Succeeded);
    }

    private static string CheckedPath(string path)
    {
        if (DatastorePath.WhyIllegal(path) is { } reason)
            throw new FaultException(new InvalidPath(path, reason));
        if (!path.EndsWith(Extension, StringComparison.Ordinal) || path.Length == Extension.Length || path.EndsWith('/' + Extension, StringComparison.Ordinal))
            throw new FaultException(new InvalidPath(path, $"it must name a {Extension} file"));
        return path;
    }

    private async Task<HostMachine> RegisterOnAsync(EntityId host, DatastorePath config)
    {
        ground.Hosts.Registering(config);
        try
        {
            var machine = await TellToRegisterAsync(host, config);
            await ground.Hosts.WelcomeAsync(machine.Id, config);
            return machine;
        }
        finally
        {
            ground.Hosts.Registering(config, isSo: false);
        }
    }

    private async Task<HostMachine> TellToRegisterAsync(EntityId host, DatastorePath config)
    {
        var reply = await ground.Hosts.ExecuteUntilKnownAsync(
            host,
            new RegisterMachine(config),
            snapshot => snapshot.Machines.FirstOrDefault(m => m.Config == config) is { } found ? new MachineReply(found) : null,
            null,
            CancellationToken.None);
        return reply is MachineReply said
            ? said.Machine
            : throw new FaultException(new HostAnswerInvalid(ground.NameOf(host), $"it registered a machine and answered {reply.GetType().Name}"));
    }

    // Files that could not be read had an identity made up; mended they say their own, and take the name and place of what stood for them.
    private static InventoryEdit Replace(InventorySnapshot now, VirtualMachine before, HostMachine mended) =>
        mended.Id != before.Id && now.Find(mended.Id) is VirtualMachine vm && now.Find(before.Id) is VirtualMachine old
            ? new InventoryEdit([vm with { Name = old.Name, Parent = old.Parent }], [old.Id])
            : InventoryEdit.Nothing;

    // Its session has put it into the datacenter already, under a name that was free there.
    private Task PutAsync(HostMachine machine, EntityId host, EntityId container, EntityId? pool) => ground.Inventory.ApplyAsync(now =>
    {
        var name = Names.Cleaned(machine.Spec?.Name ?? machine.Config.FileName[..^Extension.Length]);
        var vm = now.Find(machine.Id) as VirtualMachine ?? throw new FaultException(
            new Interrupted($"Registering '{name}'", $"host '{ground.NameOf(host)}' does not have it any more"));
        var placed = vm.Parent == container ? vm : vm with { Parent = container, Name = FreeName(now, container, name) };
        placed = placed with { Pool = pool ?? vm.Pool };
        return placed == vm ? InventoryEdit.Nothing : InventoryEdit.Of(placed);
    });

    private static string FreeName(InventorySnapshot now, EntityId container, string wanted)
    {
        var taken = now.Children<VirtualMachine>(container).Select(v => v.Name).ToHashSet(StringComparer.Ordinal);
        var name = wanted;
        for (var number = 2; taken.Contains(name); number++)
            name = string.Create(CultureInfo.InvariantCulture, $"{wanted} ({number})");
        return name;
    }

    // Another host that has it registered, now or when it comes back, has not found a machine; one that has other files of its identity has.
    private async Task BuryAsync(EntityId machine, DatastorePath? files, TaskContext context)
    {
        await RemoveAsync(machine, context, files is null ? [] : destroyed.Add(machine, files));
        await ground.Hosts.ReconcileAsync([machine]);
    }

    private async Task RemoveAsync(EntityId machine, TaskContext context, params IReadOnlyList<StoreCompanion> companions)
    {
        await ground.InsistAsync(() => context.ConcludeAsync(_ => InventoryEdit.Remove(machine), companions));
        ground.Statistics.Forget(machine);
    }
}
