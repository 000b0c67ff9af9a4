using System.Collections.Immutable;
using System.Text;
using Alveare.Core.Hosts;
using Alveare.Core.Tasks;
using Alveare.Kvm.Accelerators;
using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Clones;
using Alveare.Kvm.Files;
using Alveare.Kvm.Guest;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Migration;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Standby;
using Alveare.Kvm.Statistics;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm;

/// <summary>This Linux machine as a host: QEMU processes that outlive the agent, files in datastores, bridges and control groups.</summary>
public sealed class KvmHost : IHost
{
    /// <summary>How long the start of an agent waits for the accelerator's proof; a host whose proof takes longer says so meanwhile.</summary>
    private static readonly TimeSpan ProofPatience = TimeSpan.FromSeconds(1);

    private readonly KvmOptions options;
    private readonly HostState state;
    private readonly Registry registry;
    private readonly Ground ground;
    private readonly PowerControl power;
    private readonly PowerDown powerDown;
    private readonly MachineTable machines;
    private readonly Registration registration;
    private readonly Reconfiguration reconfiguration;
    private readonly Destruction destruction;
    private readonly CloneTable clones;
    private readonly LeftoverFiles leftovers;
    private readonly PortGroupTable portGroups;
    private readonly StatisticsSampler statistics;
    private readonly ResourceEnforcement enforcement;
    private readonly Surroundings surroundings;
    private readonly Nursery nursery;
    private readonly List<string> warnings = [];
    private readonly DatastoreTable datastores;
    private readonly Inspection inspection;
    private readonly CancellationTokenSource stopping;
    private readonly MachineLog log;
    private bool disposed;
    private Task division = Task.CompletedTask;
    private readonly MigrationTable migrations;

    private KvmHost(KvmOptions options, HostFacts facts, QemuSetup setup, CancellationTokenSource stopping)
    {
        this.options = options;
        this.stopping = stopping;
        state = new HostState(facts, options.Time);
        registry = new Registry(options.StateDirectory);
        datastores = new DatastoreTable(options.HostName, options.Time, all => state.Publish(new DatastoresChanged(all)));
        datastores.Restore(registry.Content.Datastores);
        ground = new Ground(options.HostId, options.HostName, datastores);
        machines = new MachineTable(state, registry);
        var images = new DiskImages(setup.User, datastores.NameAt);
        var listing = new Listing(machines, ground);
        var threads = new DatastoreThreads();
        var making = Path.Combine(options.StateDirectory, "clones");
        leftovers = new LeftoverFiles(making, ground);
        registration = new Registration(machines, ground, images, listing, leftovers);
        destruction = new Destruction(machines, ground);
        clones = new CloneTable(new CloneGround(machines, ground, registration, images, setup.User, leftovers, making));
        log = new MachineLog(ground, options.HostName, options.Time);
        portGroups = new PortGroupTable(options.HostId, options.HostName, options.Uplink, new PortGroupRecord(
            () => registry.Content.PortGroups, wanted => registry.Change(c => c with { PortGroups = wanted }), state.SetPortGroups, state.Publish));
        var groups = (options.ControlGroups ?? ControlGroupHierarchies.Read()).Open(options.HostId, warnings);
        statistics = new StatisticsSampler(options.HostId, options.Uplink, machines, state, groups, options.Time, options.StatisticsInterval);
        surroundings = new Surroundings(portGroups, groups, setup.User);
        nursery = new Nursery(setup.RunRoot);
        var launcher = new Launcher(setup, nursery, ground, surroundings, log, options.Time);
        enforcement = new ResourceEnforcement(
            state, machines, groups, new TapShaping(options.HostId), new UplinkShares(options.Uplink, options.UplinkSpeed), config => BlockDevices.WhyNoWeights(ground.PlaceOf(config)), facts, () => registry.Content.Pools)
        {
            TranslationCache = () => state.Current.Facts.Accelerator == Accelerator.Emulation ? Bytes.FromMib(options.TranslationCacheMib) : Bytes.Zero,
        };
        reconfiguration = new Reconfiguration(ground, images, enforcement, leftovers);
        power = new PowerControl(state, launcher, ground, surroundings, log)
        {
            Adopted = (machine, run) =>
            {
                enforcement.Apply(machine);
                GuestWatch.Begin(machine, run);
            },
        };
        migrations = new MigrationTable(new MigrationGround(
            options.HostId, options.HostName, options.MigrationAddress, machines, listing, ground, power, launcher, setup.User, options.Time,
            stopping.Token)
        {
            Enforce = enforcement.Apply,
            ClaimTimeAfterDeath = options.ClaimTimeAfterDeath,
        });
        inspection = new Inspection(
            options.HostId, state, machines, registry, ground, listing, leftovers, power, threads, setup.RunRoot, stopping.Token);
        datastores.Returned = inspection.LookAsync;
        powerDown = new PowerDown(state, machines, options.HostName, options.PowerDownCommand, options.Time, stopping.Token);
        _ = log.KeepShortAsync(machines, threads, stopping.Token);
    }

    public EntityId Id => options.HostId;

    /// <summary>What this host does without since its agent started, and why: one sentence each, for the log.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>From now on nobody else reads what this process makes, disks and guests' secrets above all; directories are passed through, for QEMU's user
    /// to reach the files that it is given. For a program to call before anything else.</summary>
    public static void KeepFilesPrivate() => _ = FileCalls.SetModeMask(0b000_110_110);

    public static async Task<KvmHost> OpenAsync(KvmOptions options, CancellationToken cancellation)
    {
        var runRoot = options.RunDirectory;
        if (Encoding.UTF8.GetByteCount(runRoot) > RunDirectory.MaxRootLength)
        {
            throw new FaultException(new HostOperationFailed(
                "Starting the host agent", $"the path of the run directory '{runRoot}' is too long: unix sockets live below it, expected at most {RunDirectory.MaxRootLength} bytes"));
        }

        // QEMU's user passes through to its own.
        Directory.CreateDirectory(runRoot, (UnixFileMode)0b111_001_001);
        var qemu = await QemuInstallation.FindAsync(cancellation)
            ?? throw new FaultException(new HostOperationFailed("Starting the host agent", "QEMU is not installed (package qemu-system-x86)"));
        var user = QemuUser.Find();
        var hardware = HostHardware.Read();
        var stopping = new CancellationTokenSource();
        // Beside everything else: running machines are adopted whatever comes of it, machines that are started wait for it.
        var verdict = new AcceleratorChoice(qemu, user, options.StateDirectory, runRoot, hardware.CpuModel).ChooseAsync(stopping.Token);
        var setup = new QemuSetup(
            qemu.Program, AcceleratorOf(verdict), options.TranslationCacheMib, user, runRoot, qemu.UefiCode, qemu.UefiVariables);
        var facts = new HostFacts
        {
            Id = options.HostId,
            HostName = options.HostName,
            AgentVersion = options.AgentVersion,
            QemuVersion = qemu.Version,
            Accelerator = Accelerator.Emulation,
            CpuThreads = Environment.ProcessorCount,
            AcceleratorWarning = AcceleratorChoice.Pending,
            CpuClock = hardware.Clock,
            CpuModel = hardware.CpuModel,
            Memory = hardware.Memory,
            MemoryReserved = hardware.Reserved,
            MigrationAddress = options.MigrationAddress,
            PowerDownProblem = PowerDown.ProblemOf(options.PowerDownCommand),
        };
        var host = new KvmHost(options, facts, setup, stopping);
        host.warnings.AddRange(host.leftovers.Find());
        await new Adoption(
                options.HostId, host.state, host.machines, host.power, host.migrations, host.surroundings, host.inspection, host.enforcement.Apply, runRoot, host.warnings)
            .RunAsync(host.registry);
        await host.statistics.StartAsync();
        host.division = new DivisionLoop(host.statistics, host.enforcement, options.Time, options.DivisionInterval, host.TellNotDivided).RunAsync(host.stopping.Token);
        _ = host.datastores.WatchAsync(host.stopping.Token);
        await Task.WhenAny(host.TellAcceleratorAsync(verdict), Task.Delay(ProofPatience, options.Time, cancellation));
        return host;
    }

    public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation) => Task.FromResult(state.Current);

    public IAsyncEnumerable<HostChange> WatchAsync(CancellationToken cancellation) => state.WatchAsync(cancellation);

    public async Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        try
        {
            return await ObeyAsync(command, progress, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What the kernel says of a file is expected, whichever file it is: a disk is full, read-only or broken.
            throw new FaultException(FaultOf(command, e), e);
        }
    }

    private Fault FaultOf(HostCommand command, Exception e)
    {
        var name = command.GetType().Name;
        return WholeFile.IsFull(e) && datastores.NameIn(e.Message) is { } datastore
            ? new DatastoreFull(datastore, $"the command {name}")
            : new HostOperationFailed($"The command {name} on host '{options.HostName}'", e.Message.TrimEnd('.'));
    }

    private async Task<HostReply> ObeyAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        switch (command)
        {
            case MountDatastore mount:
                await MountAsync(mount);
                return Done.Instance;
            case ApplyPortGroups apply:
                portGroups.Apply(apply.PortGroups);
                return Done.Instance;
            case ApplyPools apply:
                Apply(apply.Pools);
                return Done.Instance;
            case UnmountDatastore unmount:
                Unmount(unmount.Datastore);
                return Done.Instance;
            case CreateMachine create:
                return await registration.CreateAsync(create, cancellation);
            case RegisterMachine register:
                return registration.Register(register.Config);
            case UnregisterMachine unregister:
                await registration.UnregisterAsync(Find(unregister.Machine), cancellation);
                return Done.Instance;
            case ReconfigureMachine reconfigure:
                await reconfiguration.ReconfigureAsync(Find(reconfigure.Machine), reconfigure.Spec, cancellation);
                return Answer(reconfigure.Machine);
            case SetMachineResources set:
                await reconfiguration.SetResourcesAsync(Find(set.Machine), set, cancellation);
                return Answer(set.Machine);
            case RenameMachine rename:
                await reconfiguration.RenameAsync(Find(rename.Machine), rename.Name, cancellation);
                return Answer(rename.Machine);
            case DestroyMachine destroy:
                await destruction.DestroyAsync(Find(destroy.Machine), destroy.PowerOff, cancellation);
                return Done.Instance;
            case CloneMachine clone:
                return await clones.CloneAsync(clone, progress, cancellation);
            case StartMachine start:
                using (powerDown.Arrive())
                    await power.StartAsync(Find(start.Machine), start.MinLockEpoch, start.Paused, start.CpuModel, cancellation);
                return Answer(start.Machine);
            case StopMachine stop:
                await PowerControl.StopAsync(Find(stop.Machine), cancellation);
                return Answer(stop.Machine);
            case ResetMachine reset:
                await PowerControl.ResetAsync(Find(reset.Machine), cancellation);
                return Answer(reset.Machine);
            case PauseMachine pause:
                await PowerControl.PauseAsync(Find(pause.Machine), cancellation);
                return Answer(pause.Machine);
            case ResumeMachine resume:
                await PowerControl.ResumeAsync(Find(resume.Machine), cancellation);
                return Answer(resume.Machine);
            case ShutDownGuest shutDown:
                await GuestShutdown.RequestAsync(Find(shutDown.Machine), cancellation);
                return Done.Instance;
            case CheckMovable check:
                await MigrationTable.CheckMovableAsync(Find(check.Machine));
                return Done.Instance;
            case PrepareIncoming prepare:
                using (powerDown.Arrive())
                    return await migrations.PrepareAsync(prepare, cancellation);
            case SendMachine send:
                return await migrations.SendAsync(send, progress, cancellation);
            case AwaitIncoming incoming:
                return await migrations.AwaitIncomingAsync(incoming.Migration, cancellation);
            case CancelMigration cancel:
                await migrations.CancelAsync(cancel.Migration);
                return Done.Instance;
            case ReadStatistics:
                return new StatisticsReply(await statistics.SampleAsync());
            case PowerDownHost down:
                await powerDown.BeginAsync(down.ByController);
                return Done.Instance;
            case SendWakePacket wake:
                await WakeSender.SendAsync(wake, cancellation);
                return Done.Instance;
            default:
                throw new FaultException(new Unsupported($"Host '{options.HostName}'", command.GetType().Name));
        }
    }

    public async Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation)
    {
        var machine = Find(channel.Machine);
        if (channel.Kind == HostChannelKind.Log)
            return log.Open(machine.Current.Config);
        return await machine.RequireRun().Consoles.OpenAsync(machine.Name, channel.Kind, cancellation);
    }

    /// <summary>Ends the agent; its machines run on.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, true))
            return;
        await stopping.CancelAsync();
        await division;
        await statistics.DisposeAsync();
        foreach (var machine in machines.All)
        {
            if (machine.Run is { } run)
                await run.DetachAsync();
        }

        nursery.Dispose();
        machines.Dispose();
        stopping.Dispose();
    }

    private static async Task<Accelerator> AcceleratorOf(Task<AcceleratorVerdict> verdict) => (await verdict).Accelerator;

    private void TellNotDivided(Exception e) => state.Publish(new HostEventRaised(
        "host.not-divided", Id, $"CPU and memory of host '{options.HostName}' could not be divided among its machines anew: {e.Message.TrimEnd('.')}.", IsProblem: true));

    private async Task TellAcceleratorAsync(Task<AcceleratorVerdict> verdict)
    {
        try
        {
            var found = await verdict;
            state.ChangeFacts(f => f with
            {
                Accelerator = found.Accelerator, AcceleratorWarning = found.Warning, CpuFeatures = found.CpuFeatures, CpuModels = found.CpuModels,
            });
        }
        catch (FaultException e)
        {
            state.ChangeFacts(f => f with { AcceleratorWarning = e.Fault.Message });
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
    }

    private void Apply(ImmutableArray<HostPool> pools)
    {
        if (!registry.Content.Pools.SequenceEqual(pools))
            registry.Change(c => c with { Pools = pools });
        enforcement.Divide();
    }

    private async Task MountAsync(MountDatastore mount)
    {
        await using var undo = new UndoStack();
        var isNew = !datastores.Knows(mount.Datastore);
        await datastores.MountAsync(mount);
        if (isNew)
            undo.Push(() => datastores.Unmount(mount.Datastore));
        registry.Change(c => c with { Datastores = [.. c.Datastores.Where(d => d.Datastore != mount.Datastore), mount] });
        undo.Clear();
    }

    private void Unmount(EntityId datastore)
    {
        if (machines.All.FirstOrDefault(m => m.Current.Config.Datastore == datastore) is { } user)
            throw new FaultException(new ObjectInUse(datastores.Find(datastore).Name, $"virtual machine '{user.Name}', which is registered on host '{options.HostName}'"));
        registry.Change(c => c with { Datastores = [.. c.Datastores.Where(d => d.Datastore != datastore)] });
        datastores.Unmount(datastore);
    }

    private Machine Find(EntityId id) => machines.Find(id);

    private MachineReply Answer(EntityId id) => new(Find(id).Current);
}
