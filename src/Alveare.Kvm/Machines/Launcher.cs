using System.Collections.Immutable;
using Alveare.Core.Tasks;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>How this host runs QEMU.</summary>
/// <param name="Accelerator">Known once it has been proven; machines wait for it.</param>
/// <param name="RunRoot">Directory of the run directories.</param>
/// <param name="UefiCode">The UEFI firmware's code, or null where none is installed.</param>
/// <param name="UefiVariables">The template that a machine's own variables start from.</param>
public sealed record QemuSetup(
    string Program,
    Task<Accelerator> Accelerator,
    int TranslationCacheMib,
    QemuUser User,
    string RunRoot,
    string? UefiCode,
    string? UefiVariables);

/// <summary>Starts the QEMU of a machine with everything around it, for a power-on and for an incoming migration alike.</summary>
public sealed class Launcher(QemuSetup setup, Nursery nursery, Ground ground, Surroundings surroundings, MachineLog log, TimeProvider time)
{
    /// <summary>Starts QEMU; on failure everything that was made for it is taken back.</summary>
    /// <param name="cpuModel">The CPU that the guest sees: a level or a named model.</param>
    /// <param name="epoch">The epoch the lock is held at, 0 for an incoming migration.</param>
    /// <param name="paused">Whether the guest stands before its first instruction.</param>
    public async Task<MachineRun> LaunchAsync(
        Machine machine,
        MachineSpec spec,
        string cpuModel,
        long epoch,
        MigrationRecord? incoming,
        bool paused,
        Action<QmpEvent> onEvent,
        CancellationToken cancellation)
    {
        var config = machine.Current.Config;
        var accelerator = await setup.Accelerator.WaitAsync(cancellation);
        var run = new RunDirectory(setup.RunRoot, spec.Uuid);
        await using var undo = new UndoStack();
        run.Create(setup.User);
        undo.Push(run.Remove);
        var attachments = surroundings.Make(spec);
        undo.Push(() => surroundings.TakeAway(attachments));
        var runtime = Prepare(config, spec, run, attachments, accelerator, incoming is not null) with { CpuModel = cpuModel };
        var record = new RunRecord
        {
            Config = config,
            StartedAt = time.GetUtcNow(),
            LockEpoch = epoch,
            Attachments = attachments,
            Spec = spec,
            CpuModel = cpuModel,
            Migration = incoming,
            HasBegun = paused || incoming is not null,
        };

        var command = CommandLine.Build(spec, runtime);
        // Before the process: an agent that ends right after starting it must find the record.
        record.Write(run);
        try
        {
            var process = await QemuProcess.StartAsync(nursery, run, setup.User, attachments.ControlGroups, command, onEvent, cancellation);
            var started = new MachineRun(process, record);
            await ThrottleAsync(spec, started);
            if (!record.HasBegun)
                await BeginAsync(spec, started);
            log.Write(config, $"QEMU started, {(incoming is null ? $"lock epoch {epoch}" : "waiting for a migration")}: {string.Join(' ', command)}");
            undo.Clear();
            return started;
        }
        catch (QemuStartException e)
        {
            throw new FaultException(e.IsMute ? new MachineStartFailed(spec.Name, e.Message) : e.End.ToFault(spec.Name), e);
        }
    }

    /// <summary>Before the guest executes: it has no time without its limits.</summary>
    private static Task ThrottleAsync(MachineSpec spec, MachineRun run) =>
        ConverseAsync(spec, run, () => DiskThrottle.BeginAsync(run.Qmp, spec.Disks));

    /// <summary>Lets the guest of a QEMU that answers execute.</summary>
    private static Task BeginAsync(MachineSpec spec, MachineRun run) => ConverseAsync(spec, run, async () =>
    {
        await run.Qmp.ExecuteAsync("cont");
        run.TryRemember(r => r with { HasBegun = true });
    });

    /// <summary>Ends a QEMU that does not do as it is told.</summary>
    private static async Task ConverseAsync(MachineSpec spec, MachineRun run, Func<Task> words)
    {
        try
        {
            await words();
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            run.Process.Kill();
            var end = await run.Process.AwaitEndAsync();
            // What this ended itself says nothing by how it ended.
            throw new FaultException(e is QmpClosedException { IsGone: true } ? end.ToFault(spec.Name) : new MachineStartFailed(spec.Name, e.Message), e);
        }
    }

    private QemuRuntime Prepare(
        DatastorePath config,
        MachineSpec spec,
        RunDirectory run,
        RunAttachments attachments,
        Accelerator accelerator,
        bool incoming)
    {
        foreach (var disk in spec.Disks)
            ground.CheckDisk(config, disk, alone: !incoming);
        var disks = spec.Disks.Select(d => ground.Give(config.Sibling(d.File), setup.User)).ToImmutableArray();
        var seed = spec.CustomizationSeed is { } file ? ground.Give(config.Sibling(file), setup.User) : null;
        var serialLog = log.PrepareSerial(config, setup.User);
        return new QemuRuntime
        {
            Program = setup.Program,
            Accelerator = accelerator,
            TranslationCacheMib = setup.TranslationCacheMib,
            Run = run,
            DiskPaths = disks,
            Taps = attachments.Taps,
            SeedPath = seed,
            SerialLog = serialLog,
            Uefi = spec.Firmware == Firmware.Uefi ? PrepareUefi(config, spec) : null,
            Incoming = incoming,
        };
    }

    private UefiFiles PrepareUefi(DatastorePath config, MachineSpec spec)
    {
        if (setup.UefiCode is null || setup.UefiVariables is null)
            throw new FaultException(new MachineStartFailed(spec.Name, "it boots with UEFI and this host has no UEFI firmware installed (package ovmf)"));
        var variables = Ground.VariablesOf(config);
        if (!File.Exists(ground.PathOf(variables)))
            ground.Write(variables, File.ReadAllBytes(setup.UefiVariables));
        return new UefiFiles(setup.UefiCode, ground.Give(variables, setup.User));
    }
}
