using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Qemu;

/// <summary>Builds QEMU's arguments for a machine: a pure function, so that golden tests can hold every argument.</summary>
/// <remarks>The guest-visible part depends on the machine's configuration alone, never on the host or QEMU's version: the other end of
/// a live migration must build the same devices at the same addresses.</remarks>
public static class CommandLine
{
    /// <summary>Newest machine type that QEMU 7.2 (Debian 12) and 10.0 (Debian 13) both have, so that machines move between them.</summary>
    public const string MachineType = "pc-q35-7.2";

    /// <summary>Name of the virtio port that guest agents open.</summary>
    public const string AgentPort = "org.qemu.guest_agent.0";

    /// <summary>The largest packet a guest sends, on every host and port group alike: its network card tells it so, and the card must be the
    /// same after a move. It is what an ordinary network's 1500 leave when VXLAN has taken its part.</summary>
    public const int GuestMtu = 1450;

    // PCI slots of the machine's root bus. Fixed numbers: a device that is added or left out must not move its neighbours.
    private const int VgaSlot = 1;
    private const int SerialBusSlot = 2;
    private const int BalloonSlot = 3;
    private const int RngSlot = 4;
    private const int SeedSlot = 5;
    private const int FirstNicSlot = 6;

    // Slot 31 holds the chipset's own functions, so 16 disks do not fit one slot each behind 10 NICs: they share slots as functions.
    private const int FirstDiskSlot = 16;

    /// <summary>The program and its arguments.</summary>
    public static ImmutableArray<string> Build(MachineSpec spec, QemuRuntime runtime)
    {
        var arguments = ImmutableArray.CreateBuilder<string>(96);
        arguments.Add(runtime.Program);
        AddMachine(arguments, spec, runtime);
        AddControl(arguments, runtime.Run);
        AddFirmware(arguments, runtime.Uefi);
        AddConsoles(arguments, runtime);
        AddCompanions(arguments);
        for (var i = 0; i < spec.Disks.Length; i++)
            AddDisk(arguments, i, runtime.DiskPaths[i], spec.Disks[i].Format);
        if (runtime.SeedPath is { } seed)
            AddSeed(arguments, seed);
        for (var i = 0; i < spec.Nics.Length; i++)
            AddNic(arguments, i, spec.Nics[i], runtime.Taps[i]);
        // The guest executes when it is told to: a QEMU that cannot be controlled never runs it.
        arguments.Add("-S");
        if (runtime.Incoming)
            arguments.AddRange("-incoming", "defer");
        return arguments.ToImmutable();
    }

    private static void AddMachine(ImmutableArray<string>.Builder arguments, MachineSpec spec, QemuRuntime runtime)
    {
        var flash = runtime.Uefi is null ? "" : ",pflash0=uefi-code,pflash1=uefi-variables";
        arguments.AddRange(
            "-name", $"guest={Escape(spec.Name)},debug-threads=on",
            "-uuid", spec.Uuid.ToString("D"),
            "-no-user-config",
            "-nodefaults",
            "-machine", $"{MachineType},usb=off,smm=off,dump-guest-core=off{flash}",
            "-accel", Accelerate(runtime),
            "-cpu", CpuArgument.Of(runtime.CpuModel),
            "-smp", Invariant($"cpus={spec.Cpus},sockets=1,cores={spec.Cpus},threads=1"),
            "-m", Invariant($"size={MemoryKib(spec, runtime)}k"),
            "-rtc", "base=utc",
            "-boot", "strict=on",
            "-msg", "timestamp=on",
            "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }

    // Emulation in QEMU before 9.0 forgets writes of the guest to memory that a live migration has just looked at, and the guest arrives
    // with old pages (mended there by "physmem: Fix migration dirty bitmap coherency with TCG memory access"). The mistake is in the way
    // that is taken for memory in whole blocks of 64 pages, so emulated memory is two pages longer than that.
    private static long MemoryKib(MachineSpec spec, QemuRuntime runtime) =>
        (spec.Memory.Value / 1024) + (runtime.Accelerator == Accelerator.Emulation ? 8 : 0);

    private static string Accelerate(QemuRuntime runtime) => runtime.Accelerator == Accelerator.Kvm
        ? "kvm"
        : Invariant($"tcg,thread=multi,tb-size={runtime.TranslationCacheMib}");

    private static void AddControl(ImmutableArray<string>.Builder arguments, RunDirectory run) =>
        arguments.AddRange(
            "-chardev", $"socket,id=qmp,path={Escape(run.Qmp)},server=on,wait=off",
            "-mon", "chardev=qmp,mode=control");

    private static void AddFirmware(ImmutableArray<string>.Builder arguments, UefiFiles? uefi)
    {
        if (uefi is null)
            return;
        arguments.AddRange(
            "-blockdev", Json(("driver", "file"), ("node-name", "uefi-code-file"), ("filename", uefi.Code), ("read-only", true)),
            "-blockdev", Json(("driver", "raw"), ("node-name", "uefi-code"), ("file", "uefi-code-file"), ("read-only", true)),
            "-blockdev", Json(("driver", "file"), ("node-name", "uefi-variables-file"), ("filename", uefi.Variables)),
            "-blockdev", Json(("driver", "raw"), ("node-name", "uefi-variables"), ("file", "uefi-variables-file")));
    }

    private static void AddConsoles(ImmutableArray<string>.Builder arguments, QemuRuntime runtime) =>
        arguments.AddRange(
            "-display", "none",
            "-vnc", $"unix:{Escape(runtime.Run.Vnc)}",
            "-device", Invariant($"VGA,id=video,addr={VgaSlot:x}"),
            "-chardev", $"socket,id=serial,path={Escape(runtime.Run.Serial)},server=on,wait=off,logfile={Escape(runtime.SerialLog)},logappend=on",
            "-device", "isa-serial,id=serial0,chardev=serial",
            "-device", Invariant($"virtio-serial-pci,id=channels,addr={SerialBusSlot:x}"),
            "-chardev", $"socket,id=agent,path={Escape(runtime.Run.GuestAgent)},server=on,wait=off",
            "-device", $"virtserialport,id=agent0,bus=channels.0,nr=1,chardev=agent,name={AgentPort}");

    private static void AddCompanions(ImmutableArray<string>.Builder arguments) =>
        arguments.AddRange(
            "-device", Invariant($"virtio-balloon-pci,id=balloon,addr={BalloonSlot:x},deflate-on-oom=on,free-page-reporting=on"),
            "-object", "rng-builtin,id=entropy",
            "-device", Invariant($"virtio-rng-pci,id=rng,addr={RngSlot:x},rng=entropy"));

    /// <summary>The id of the device of a disk, counted from 0.</summary>
    internal static string DiskDevice(int index) => Invariant($"virtio-disk{index}");

    private static void AddDisk(ImmutableArray<string>.Builder arguments, int index, string path, DiskFormat format)
    {
        // The host's page cache stays out (direct): it would hide writes from the other host at a migration.
        arguments.AddRange(
            "-blockdev", Json(
                ("driver", "file"), ("node-name", Invariant($"file{index}")), ("filename", path), ("aio", "threads"),
                ("discard", "unmap"), ("cache", new JsonObject { ["direct"] = true, ["no-flush"] = false })),
            "-blockdev", Json(
                ("driver", format == DiskFormat.Qcow2 ? "qcow2" : "raw"), ("node-name", Invariant($"disk{index}")),
                ("file", Invariant($"file{index}")), ("discard", "unmap"), ("detect-zeroes", "unmap"),
                ("cache", new JsonObject { ["direct"] = true, ["no-flush"] = false })),
            "-device", Invariant(
                $"virtio-blk-pci,id={DiskDevice(index)},drive=disk{index},addr={FirstDiskSlot + (index / 8):x}.{index % 8},multifunction=on,bootindex={index + 1},write-cache=on"));
    }

    private static void AddSeed(ImmutableArray<string>.Builder arguments, string path) =>
        arguments.AddRange(
            "-blockdev", Json(("driver", "file"), ("node-name", "seed-file"), ("filename", path), ("read-only", true)),
            "-blockdev", Json(("driver", "raw"), ("node-name", "seed"), ("file", "seed-file"), ("read-only", true)),
            "-device", Invariant($"virtio-blk-pci,id=virtio-seed,drive=seed,addr={SeedSlot:x},serial=seed"));

    private static void AddNic(ImmutableArray<string>.Builder arguments, int index, NicSpec nic, string tap) =>
        arguments.AddRange(
            "-netdev", Invariant($"tap,id=net{index},ifname={tap},script=no,downscript=no"),
            // No boot ROM: network boot is not offered, and loading it costs every start.
            "-device", Invariant($"virtio-net-pci,id=nic{index},netdev=net{index},mac={nic.Mac},addr={FirstNicSlot + index:x},host_mtu={GuestMtu},romfile="));

    /// <summary>QEMU's option syntax ends a value at a comma unless it is doubled.</summary>
    private static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Json(params ReadOnlySpan<(string Name, JsonNode Value)> members)
    {
        var json = new JsonObject();
        foreach (var (name, value) in members)
            json[name] = value;
        return json.ToJsonString();
    }
}
