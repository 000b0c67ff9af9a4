using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Statistics;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Scheduling;

namespace Alveare.Simulation.Agents;

/// <summary>One life of a host's agent: from its start on what its host's disk holds, to its end by <see cref="Kill"/>.</summary>
public sealed class Agent
{
    private readonly Realm realm;
    private readonly Ground ground;
    private readonly Board board;
    private readonly MachineTable machines;
    private readonly MachineFiles files;
    private readonly PowerControl power;
    private readonly Migrations migrations;

    private Agent(Plant plant, HostFacts facts, HostDisk disk)
    {
        realm = plant.World.Nature.Beside($"agent of {facts.HostName}");
        ground = new Ground(plant, facts, disk);
        board = new Board(facts);
        machines = new MachineTable(board, disk);
        files = new MachineFiles(ground, machines);
        power = new PowerControl(ground, board);
        migrations = new Migrations(new MigrationGround(ground, machines, power));
    }

    public HostSnapshot Snapshot => board.Snapshot;

    /// <summary>Starts an agent: it adopts the processes it finds.</summary>
    public static Agent Start(Plant plant, HostFacts facts, HostDisk disk)
    {
        var agent = new Agent(plant, facts, disk);
        agent.realm.Enter(() =>
        {
            agent.board.Put(agent.ground.Offered);
            agent.board.Put(disk.PortGroups);
            new Adoption(agent.ground, agent.board, agent.machines, agent.files, agent.power, agent.migrations).Run();
        });
        return agent;
    }

    /// <summary>Ends the agent in the middle of whatever it does; its processes run on.</summary>
    public void Kill() => realm.Kill();

    public void Watch(Subscription watcher) => board.Watch(watcher);

    public void Unwatch(Subscription watcher) => board.Unwatch(watcher);

    /// <summary>Carries out a command. The answer never comes when the agent is killed.</summary>
    public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress) =>
        realm.RunAsync(() => CarryOutAsync(command, progress));

    /// <summary>The process of a running machine. Faults: <c>NotFound</c>, <c>InvalidPowerState</c>.</summary>
    public SimulatedQemu ProcessOf(EntityId machine) => machines.Find(machine).RequireRun().Qemu;

    /// <summary>Says afresh what became of the datastores.</summary>
    public void RefreshDatastores() => realm.Enter(() => board.Put(ground.Offered));

    public void RaiseStatistics() => realm.Enter(() => board.Tell(Sample()));

    private async Task<HostReply> CarryOutAsync(HostCommand command, IProgress<HostProgress>? progress)
    {
        switch (command)
        {
            case MountDatastore mount:
                return Mount(mount);
            case UnmountDatastore unmount:
                return Unmount(unmount);
            case ApplyPortGroups apply:
                return Apply(apply);
            case ApplyPools apply:
                ground.Disk.Pools = apply.Pools;
                return Done.Instance;
            case CreateMachine create:
                return Answer(await files.CreateAsync(create));
            case RegisterMachine register:
                return Answer(files.Register(register.Config));
            case UnregisterMachine unregister:
                return await UnregisterAsync(machines.Find(unregister.Machine));
            case ReconfigureMachine reconfigure:
                await files.ReconfigureAsync(machines.Find(reconfigure.Machine), reconfigure.Spec);
                return Answer(machines.Find(reconfigure.Machine));
            case SetMachineResources set:
                await files.SetResourcesAsync(machines.Find(set.Machine), set);
                return Answer(machines.Find(set.Machine));
            case RenameMachine rename:
                await files.RenameAsync(machines.Find(rename.Machine), rename.Name);
                return Answer(machines.Find(rename.Machine));
            case DestroyMachine destroy:
                if (destroy.PowerOff && machines.Find(destroy.Machine) is { Run: not null } running)
                    await PowerControl.StopAsync(running);
                await files.DestroyAsync(machines.Find(destroy.Machine));
                return Done.Instance;
            case CloneMachine clone:
                return Answer(await files.CloneAsync(clone, progress));
            case StartMachine start:
                RequireStaying();
                await power.StartAsync(machines.Find(start.Machine), start.MinLockEpoch, start.Paused, start.CpuModel);
                return Answer(machines.Find(start.Machine));
            case StopMachine stop:
                var stopped = machines.Find(stop.Machine);
                await PowerControl.StopAsync(stopped);
                return Answer(stopped);
            case ResetMachine reset:
                machines.Find(reset.Machine).RequireRun();
                return Answer(machines.Find(reset.Machine));
            case PauseMachine pause:
                await PowerControl.PauseAsync(machines.Find(pause.Machine));
                return Answer(machines.Find(pause.Machine));
            case ResumeMachine resume:
                await PowerControl.ResumeAsync(machines.Find(resume.Machine));
                return Answer(machines.Find(resume.Machine));
            case ShutDownGuest shutdown:
                power.ShutDownGuest(machines.Find(shutdown.Machine));
                return Answer(machines.Find(shutdown.Machine));
            case CheckMovable check:
                machines.Find(check.Machine).RequireRun();
                return Done.Instance;
            case PrepareIncoming prepare:
                RequireStaying();
                return await migrations.PrepareAsync(prepare);
            case SendMachine send:
                return await migrations.SendAsync(send, progress);
            case AwaitIncoming incoming:
                return await migrations.AwaitIncomingAsync(incoming.Migration);
            case CancelMigration cancel:
                await migrations.CancelAsync(cancel.Migration);
                return Done.Instance;
            case ReadStatistics:
                return new StatisticsReply(Sample());
            case PowerDownHost down:
                return PowerDown(down.ByController);
            case SendWakePacket wake:
                ground.Plant.Power.Wake(wake.Mac);
                return Done.Instance;
            default:
                throw new FaultException(new Unsupported($"Host '{ground.Facts.HostName}'", command.GetType().Name));
        }
    }

    private static MachineReply Answer(AgentMachine machine) => new(machine.Current);

    private Done PowerDown(bool byController)
    {
        if (!byController && board.PowerDownProblem is { } problem)
            throw new FaultException(new HostStaysOn(ground.Facts.HostName, problem));
        if (machines.All.FirstOrDefault(m => m.Run is not null) is { } running)
            throw new FaultException(new HostStaysOn(ground.Facts.HostName, $"virtual machine '{running.Name}' runs on it"));
        if (!board.IsPoweringDown)
        {
            board.PowerDown();
            if (!byController)
                ground.Plant.Power.PowerDown(ground.Host);
        }

        return Done.Instance;
    }

    private void RequireStaying()
    {
        if (board.IsPoweringDown)
            throw new FaultException(new InvalidState(ground.Facts.HostName, "powering down", "running machines"));
    }

    private Done Mount(MountDatastore mount)
    {
        var store = ground.Plant.At(mount.Path, ground.Host)
            ?? throw new FaultException(new DatastoreNotAccessible(mount.Name, ground.Facts.HostName, $"the directory '{mount.Path}' does not exist"));
        if (store.LostBy.Contains(ground.Host))
            throw new FaultException(new DatastoreNotAccessible(mount.Name, ground.Facts.HostName, "it does not answer"));
        if (mount.Mark)
            store.Id ??= mount.Datastore;
        if (store.Id is not { } marked)
            throw new FaultException(new DatastoreNotAccessible(mount.Name, ground.Facts.HostName, $"'{mount.Path}' is not marked as a datastore: the storage is not mounted there"));
        if (marked != mount.Datastore)
            throw new FaultException(new DatastoreIsAnother(mount.Name, ground.Facts.HostName, mount.Path, marked));
        ground.Disk.Datastores[mount.Datastore] = mount;
        board.Put(ground.Offered);
        return Done.Instance;
    }

    private Done Unmount(UnmountDatastore unmount)
    {
        if (machines.All.FirstOrDefault(m => m.Current.Config.Datastore == unmount.Datastore) is { } user)
            throw new FaultException(new ObjectInUse(unmount.Datastore.ToString(), $"virtual machine '{user.Name}'"));
        if (ground.Disk.Datastores.Remove(unmount.Datastore))
            board.Put(ground.Offered);
        return Done.Instance;
    }

    private Done Apply(ApplyPortGroups apply)
    {
        ground.Disk.PortGroups = apply.PortGroups;
        board.Put(ground.Disk.PortGroups);
        return Done.Instance;
    }

    private async Task<HostReply> UnregisterAsync(AgentMachine machine)
    {
        using var entered = await machine.EnterAsync();
        machine.RequireOff();
        machines.Remove(machine);
        return Done.Instance;
    }

    private StatisticsSampled Sample()
    {
        var now = ground.World.Time.GetUtcNow();
        var running = machines.All.Where(m => m.Run is not null).ToList();
        var asked = running.ToDictionary(m => m.Id, m => Math.Min(ground.World.CpuDemand(m.Id, now), 100 * m.Run!.Qemu.Spec.Cpus));
        // A host that is asked for more than it has gives everybody the same share of it, and the rest is waited for.
        var given = Math.Min(1, ground.Facts.CpuThreads * 100 / Math.Max(1, asked.Values.Sum()));
        return new StatisticsSampled(
            new HostSample
            {
                Host = ground.Host,
                At = now,
                CpuPercent = given * asked.Values.Sum(),
                MemoryUsed = new Bytes(running.Sum(m => m.Run!.Qemu.Spec.Memory.Value)),
                RunningMachines = running.Count,
            },
            [
                .. running.Select(m => new MachineSample
                {
                    Machine = m.Id,
                    At = now,
                    CpuPercent = given * asked[m.Id],
                    CpuReadyPercent = Math.Min(100, (1 - given) * asked[m.Id] / Math.Max(1, m.Run!.Qemu.Spec.Cpus)),
                    MemoryConsumed = m.Run!.Qemu.Spec.Memory,
                    MemoryActive = new Bytes(m.Run!.Qemu.Spec.Memory.Value / 4),
                }),
            ]);
    }
}
