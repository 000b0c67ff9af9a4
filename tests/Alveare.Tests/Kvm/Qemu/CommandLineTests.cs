using System.Collections.Immutable;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

/// <summary>Every argument of a machine's QEMU. What the guest sees of it is a promise to machines that run: another version of the program that
/// builds other devices, or the same ones elsewhere, cannot take them over by a live migration.</summary>
public sealed class CommandLineTests
{
    private const string Run = "/run/alveare/0f8fad5bd9cb469fa16570867728950e";

    [Fact]
    public void AnEmulatedMachineWithBiosHasTheseArgumentsAndNoOthers() => Assert.Equal(
        $$$"""
        /usr/bin/qemu-system-x86_64
        -name guest=web,,1,debug-threads=on
        -uuid 0f8fad5b-d9cb-469f-a165-70867728950e
        -no-user-config
        -nodefaults
        -machine pc-q35-7.2,usb=off,smm=off,dump-guest-core=off
        -accel tcg,thread=multi,tb-size=64
        -cpu qemu64,-svm,+cx16,+lahf-lm,+popcnt,+ssse3,+sse4.1,+sse4.2
        -smp cpus=2,sockets=1,cores=2,threads=1
        -m size=524296k
        -rtc base=utc
        -boot strict=on
        -msg timestamp=on
        -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -chardev socket,id=qmp,path={{{Run}}}/s/qmp.sock,server=on,wait=off
        -mon chardev=qmp,mode=control
        -display none
        -vnc unix:{{{Run}}}/s/vnc.sock
        -device VGA,id=video,addr=1
        -chardev socket,id=serial,path={{{Run}}}/s/serial.sock,server=on,wait=off,logfile=/ds/web,,1/serial.log,logappend=on
        -device isa-serial,id=serial0,chardev=serial
        -device virtio-serial-pci,id=channels,addr=2
        -chardev socket,id=agent,path={{{Run}}}/s/agent.sock,server=on,wait=off
        -device virtserialport,id=agent0,bus=channels.0,nr=1,chardev=agent,name=org.qemu.guest_agent.0
        -device virtio-balloon-pci,id=balloon,addr=3,deflate-on-oom=on,free-page-reporting=on
        -object rng-builtin,id=entropy
        -device virtio-rng-pci,id=rng,addr=4,rng=entropy
        -blockdev {"driver":"file","node-name":"file0","filename":"/ds/web,1/boot.qcow2","aio":"threads","discard":"unmap","cache":{"direct":true,"no-flush":false}}
        -blockdev {"driver":"qcow2","node-name":"disk0","file":"file0","discard":"unmap","detect-zeroes":"unmap","cache":{"direct":true,"no-flush":false}}
        -device virtio-blk-pci,id=virtio-disk0,drive=disk0,addr=10.0,multifunction=on,bootindex=1,write-cache=on
        -blockdev {"driver":"file","node-name":"file1","filename":"/ds/web,1/data.raw","aio":"threads","discard":"unmap","cache":{"direct":true,"no-flush":false}}
        -blockdev {"driver":"raw","node-name":"disk1","file":"file1","discard":"unmap","detect-zeroes":"unmap","cache":{"direct":true,"no-flush":false}}
        -device virtio-blk-pci,id=virtio-disk1,drive=disk1,addr=10.1,multifunction=on,bootindex=2,write-cache=on
        -blockdev {"driver":"file","node-name":"seed-file","filename":"/ds/web,1/seed.img","read-only":true}
        -blockdev {"driver":"raw","node-name":"seed","file":"seed-file","read-only":true}
        -device virtio-blk-pci,id=virtio-seed,drive=seed,addr=5,serial=seed
        -netdev tap,id=net0,ifname=alvt0,script=no,downscript=no
        -device virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,addr=6,host_mtu=1450,romfile=
        -S
        """,
        Text(Machine, Runtime));

    [Fact]
    public void AVirtualizedMachineWithUefiThatArrivesHasTheseArgumentsAndNoOthers() => Assert.Equal(
        $$$"""
        /usr/bin/qemu-system-x86_64
        -name guest=web,,1,debug-threads=on
        -uuid 0f8fad5b-d9cb-469f-a165-70867728950e
        -no-user-config
        -nodefaults
        -machine pc-q35-7.2,usb=off,smm=off,dump-guest-core=off,pflash0=uefi-code,pflash1=uefi-variables
        -accel kvm
        -cpu qemu64,-svm,+cx16,+lahf-lm,+popcnt,+ssse3,+sse4.1,+sse4.2,+abm,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+movbe,+xsave,enforce=on
        -smp cpus=2,sockets=1,cores=2,threads=1
        -m size=524288k
        -rtc base=utc
        -boot strict=on
        -msg timestamp=on
        -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -chardev socket,id=qmp,path={{{Run}}}/s/qmp.sock,server=on,wait=off
        -mon chardev=qmp,mode=control
        -blockdev {"driver":"file","node-name":"uefi-code-file","filename":"/usr/share/OVMF/OVMF_CODE_4M.fd","read-only":true}
        -blockdev {"driver":"raw","node-name":"uefi-code","file":"uefi-code-file","read-only":true}
        -blockdev {"driver":"file","node-name":"uefi-variables-file","filename":"/ds/web,1/web,1.nvram"}
        -blockdev {"driver":"raw","node-name":"uefi-variables","file":"uefi-variables-file"}
        -display none
        -vnc unix:{{{Run}}}/s/vnc.sock
        -device VGA,id=video,addr=1
        -chardev socket,id=serial,path={{{Run}}}/s/serial.sock,server=on,wait=off,logfile=/ds/web,,1/serial.log,logappend=on
        -device isa-serial,id=serial0,chardev=serial
        -device virtio-serial-pci,id=channels,addr=2
        -chardev socket,id=agent,path={{{Run}}}/s/agent.sock,server=on,wait=off
        -device virtserialport,id=agent0,bus=channels.0,nr=1,chardev=agent,name=org.qemu.guest_agent.0
        -device virtio-balloon-pci,id=balloon,addr=3,deflate-on-oom=on,free-page-reporting=on
        -object rng-builtin,id=entropy
        -device virtio-rng-pci,id=rng,addr=4,rng=entropy
        -S
        -incoming defer
        """,
        Text(
            Machine with { Firmware = Firmware.Uefi, Disks = [], Nics = [], CustomizationSeed = null },
            Runtime with
            {
                Accelerator = Accelerator.Kvm,
                CpuModel = "x86-64-v3",
                DiskPaths = [],
                Taps = [],
                SeedPath = null,
                Uefi = new UefiFiles("/usr/share/OVMF/OVMF_CODE_4M.fd", "/ds/web,1/web,1.nvram"),
                Incoming = true,
            }));

    [Fact]
    public void DisksFillTheirSlotsAsFunctionsAndMoveNothingElse()
    {
        var disks = Enumerable.Range(0, 16).Select(i => new DiskSpec($"{i}.raw", Bytes.FromMib(1), DiskFormat.Raw)).ToImmutableArray();
        var devices = Lines(Machine with { Disks = disks }, Runtime with { DiskPaths = [.. disks.Select(d => "/ds/web,1/" + d.File)] })
            .Where(l => l.StartsWith("-device", StringComparison.Ordinal)).ToArray();
        Assert.Equal(
            ["10.0", "10.1", "10.2", "10.3", "10.4", "10.5", "10.6", "10.7", "11.0", "11.1", "11.2", "11.3", "11.4", "11.5", "11.6", "11.7"],
            devices.Where(d => d.Contains("virtio-disk")).Select(d => d.Split(',').Single(p => p.StartsWith("addr=", StringComparison.Ordinal))["addr=".Length..]));
        Assert.Equal(
            Lines(Machine, Runtime).Where(l => l.StartsWith("-device", StringComparison.Ordinal) && !l.Contains("virtio-disk")),
            devices.Where(d => !d.Contains("virtio-disk")));
    }

    private static MachineSpec Machine { get; } = new()
    {
        Uuid = new Guid("0f8fad5b-d9cb-469f-a165-70867728950e"),
        Name = "web,1",
        Cpus = 2,
        Memory = Bytes.FromMib(512),
        Disks = [new DiskSpec("boot.qcow2", Bytes.FromGib(4)), new DiskSpec("data.raw", Bytes.FromGib(1), DiskFormat.Raw)],
        Nics = [new NicSpec("52:54:00:00:00:01", "red")],
        CustomizationSeed = "seed.img",
    };

    private static QemuRuntime Runtime { get; } = new()
    {
        Program = "/usr/bin/qemu-system-x86_64",
        Accelerator = Accelerator.Emulation,
        CpuModel = "x86-64-v2",
        Run = new RunDirectory("/run/alveare", Machine.Uuid),
        SerialLog = "/ds/web,1/serial.log",
        DiskPaths = ["/ds/web,1/boot.qcow2", "/ds/web,1/data.raw"],
        Taps = ["alvt0"],
        SeedPath = "/ds/web,1/seed.img",
    };

    private static string Text(MachineSpec machine, QemuRuntime runtime) => string.Join('\n', Lines(machine, runtime));

    // An option and its value are one line.
    private static List<string> Lines(MachineSpec machine, QemuRuntime runtime)
    {
        var lines = new List<string>();
        foreach (var argument in CommandLine.Build(machine, runtime))
        {
            if (lines.Count == 0 || argument.StartsWith('-'))
                lines.Add(argument);
            else
                lines[^1] += " " + argument;
        }

        return lines;
    }
}
