using System.Text;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Kvm.Files;

public sealed class VmxFileTests
{
    private const string Golden =
        """
        .encoding = "UTF-8"
        alveare.format = "1"
        displayName = "web |22one|22"
        uuid.bios = "56 4d 12 34 56 78 9a bc-de f0 11 22 33 44 55 66"
        numvcpus = "2"
        memSize = "2048"
        firmware = "efi"
        alveare.cpuModel = "Nehalem"
        alveare.customizationSeed = "seed.img"
        scsi0:0.present = "TRUE"
        scsi0:0.fileName = "web.qcow2"
        alveare.scsi0:0.capacity = "10737418240"
        alveare.scsi0:0.format = "qcow2"
        sched.scsi0:0.throughputCap = "500"
        alveare.scsi0:0.bandwidthLimit = "20971520"
        sched.scsi0:0.shares = "2000"
        ethernet0.present = "TRUE"
        ethernet0.networkName = "blue"
        ethernet0.addressType = "static"
        ethernet0.address = "52:54:00:12:34:56"
        alveare.ethernet0.outLimit = "1048576"
        alveare.ethernet0.outPeak = "2097152"
        alveare.ethernet0.outBurst = "65536"
        alveare.ethernet0.inLimit = "20971520"
        alveare.ethernet0.shares = "100"
        alveare.end = "TRUE"

        """;

    private static readonly MachineSpec Spec = new()
    {
        Name = "web \"one\"",
        Uuid = Guid.Parse("564d1234-5678-9abc-def0-112233445566"),
        Cpus = 2,
        Memory = Bytes.FromGib(2),
        Firmware = Firmware.Uefi,
        CpuModel = "Nehalem",
        CustomizationSeed = "seed.img",
        Disks = [new DiskSpec("web.qcow2", Bytes.FromGib(10)) { Control = new DiskControl { IopsLimit = 500, BandwidthLimit = Bytes.FromMib(20), Shares = 2000 } }],
        Nics =
        [
            new NicSpec("52:54:00:12:34:56", "blue")
            {
                Control = new NicControl
                {
                    Out = new TrafficShaping(Bytes.FromMib(1), Peak: Bytes.FromMib(2), Burst: new Bytes(65536)), In = new TrafficShaping(Bytes.FromMib(20)), Shares = 100,
                },
            },
        ],
    };

    [Fact]
    public void AConfigurationIsExactlyThisText()
    {
        Assert.Equal(Golden, Encoding.UTF8.GetString(VmxFile.Write(Spec)));
        Assert.Equal(Spec, Read(Golden));
    }

    [Fact]
    public void AFileOfAnotherProductIsReadAsFarAsItSaysWhatIsNeeded()
    {
        const string Foreign =
            "#!/usr/bin/vmware\r\n.encoding = \"UTF-8\"\r\ndisplayname=\"old\"\r\n\r\nUUID.BIOS = \"56 4D 12 34 56 78 9A BC-DE F0 11 22 33 44 55 66\"\r\n"
            + "memsize = \"512\"\r\nguestOS = \"otherlinux-64\"\r\nide1:0.present = \"TRUE\"\r\nide1:0.deviceType = \"cdrom-image\"\r\n"
            + "ethernet0.present = \"true\"\r\nethernet0.networkName = \"VM Network\"\r\nethernet0.generatedAddress = \"00:0C:29:12:34:56\"\r\n";

        var spec = Read(Foreign);

        Assert.Equal(("old", 1, Bytes.FromMib(512)), (spec.Name, spec.Cpus, spec.Memory));
        Assert.Equal(Spec.Uuid, spec.Uuid);
        Assert.Equal(new NicSpec("00:0c:29:12:34:56", "VM Network"), Assert.Single(spec.Nics));
        Assert.Equal(["CD-ROM ide1:0"], spec.DevicesLeftOut);
    }

    [Theory]
    [InlineData("ide1:0.present = 'TRUE'|ide1:0.deviceType = 'atapi-cdrom'", "CD-ROM ide1:0")]
    [InlineData("sata0.present = 'TRUE'|SATA0:1.Present = 'true'|sata0:1.deviceType = 'cdrom-raw'", "SATA controller sata0, CD-ROM SATA0:1")]
    [InlineData("scsi0:5.present = 'TRUE'|scsi0:5.fileName = 'a.iso'|scsi0:5.deviceType = 'cdrom-image'", "CD-ROM scsi0:5")]
    [InlineData("floppy0.present = 'TRUE'|nvme0.present = 'TRUE'|pciPassthru0.present = 'TRUE'", "floppy drive floppy0, NVMe controller nvme0, passed-through PCI device pciPassthru0")]
    [InlineData("usb.present = 'TRUE'|usb_xhci:4.present = 'TRUE'|sound.present = 'TRUE'", "USB controller usb, USB device usb_xhci:4, sound card sound")]
    [InlineData("serial0.present = 'TRUE'|parallel0.present = 'TRUE'|vtpm.present = 'TRUE'", "serial port serial0, parallel port parallel0, TPM vtpm")]
    [InlineData("precisionclock0.present = 'TRUE'|a.b:c.present = 'TRUE'", "device precisionclock0, device a.b:c")]
    [InlineData("ide1:0.present = 'FALSE'|ide1:0.deviceType = 'cdrom-image'|floppy0.present = 'False'|usb.present = 'no'|usb.speed = '3'", "")]
    [InlineData("scsi0.present = 'TRUE'|svga.present = 'TRUE'|pciBridge4.present = 'TRUE'|hpet0.present = 'TRUE'|vmci0.present = 'TRUE'", "")]
    public void DevicesThatMachinesHereDoNotHaveAreSaidAndStayInTheFile(string lines, string expected)
    {
        var text = Golden.Replace("alveare.end", lines.Replace('\'', '"').Replace('|', '\n') + "\nalveare.end");

        var spec = Read(text);

        Assert.Equal(expected, string.Join(", ", spec.DevicesLeftOut));
        Assert.Equal(Spec, spec with { DevicesLeftOut = [] });
        Assert.Equal(text, Encoding.UTF8.GetString(VmxFile.Write(spec, VmxText.Parse(Encoding.UTF8.GetBytes(text)))));
    }

    [Theory]
    [InlineData("numvcpus = \"2\"", "numvcpus = \"0\"", "line 5: the key 'numvcpus' is '0', expected a whole number from 1 to 256")]
    [InlineData("numvcpus = \"2\"", "numvcpus = \"-1\"", "line 5: the key 'numvcpus' is '-1', expected a whole number from 1 to 256")]
    [InlineData("numvcpus = \"2\"", "numvcpus = \"99999999999999999999\"", "expected a whole number from 1 to 256")]
    [InlineData("memSize = \"2048\"", "memSize = \"8\"", "line 6: the key 'memSize' is '8', expected a whole number from 16 to 6291456")]
    [InlineData("memSize = \"2048\"", "numVCPUs = \"2\"", "line 6: the key 'numVCPUs' is there twice, first in line 5")]
    [InlineData("memSize = \"2048\"\n", "", "the key 'memSize' is missing")]
    [InlineData("memSize = \"2048\"", "memSize = 2048", "line 6: the value of 'memSize' is '2048', expected it in quotes")]
    [InlineData("memSize = \"2048\"", "memSize = \"2048", "line 6: the value of 'memSize' has no closing quote")]
    [InlineData("memSize = \"2048\"", "memSize = \"2048\" \"1\"", "line 6: ' \"1\"' follows the value of 'memSize', expected the end of the line")]
    [InlineData("memSize = \"2048\"", "memSize", "line 6: 'memSize' has no '=', expected key = \"value\"")]
    [InlineData("memSize = \"2048\"", "mem size = \"2048\"", "line 6: 'mem size' is not a key, expected letters, digits and . : _ -")]
    [InlineData("|22one|22", "|2", "line 3: the value of 'displayName' has the escape '|2', expected |00 to |7F")]
    [InlineData("|22one|22", "|zz", "line 3: the value of 'displayName' has the escape '|zz', expected |00 to |7F")]
    [InlineData("|22one|22", "|0A", "line 3: the name ('displayName') is 'web \n', expected no slashes, backslashes or control characters")]
    [InlineData("UTF-8", "windows-1252", "line 1: the key '.encoding' is 'windows-1252', expected UTF-8")]
    [InlineData("alveare.format = \"1\"", "alveare.format = \"2\"", "line 2: the key 'alveare.format' is '2', expected 1, the version this host knows")]
    [InlineData("56 4d 12", "56 4d zz", "line 4: the key 'uuid.bios' is")]
    [InlineData("\"efi\"", "\"coreboot\"", "line 7: the key 'firmware' is 'coreboot', expected \"bios\" or \"efi\"")]
    [InlineData("\"web.qcow2\"", "\"../web.qcow2\"", "line 11: the file of disk 1 ('scsi0:0.fileName') is '../web.qcow2', expected the name of a file in the machine's directory")]
    [InlineData("\"web.qcow2\"", "\"/etc/passwd\"", "line 11: the file of disk 1 ('scsi0:0.fileName') is '/etc/passwd', expected the name of a file")]
    [InlineData("\"web.qcow2\"", "\"web.vmx\"", "line 11: the file of disk 1 ('scsi0:0.fileName') is 'web.vmx', expected another name")]
    [InlineData("\"seed.img\"", "\"web.qcow2\"", "line 9: the customization seed ('alveare.customizationSeed') is 'web.qcow2', expected another name")]
    [InlineData("scsi0:0.present = \"TRUE\"", "ide0:0.present = \"TRUE\"", "line 10: the key 'ide0:0.present' is 'TRUE', expected disks on scsi controllers alone")]
    [InlineData("scsi0:0.present = \"TRUE\"", "scsi0:0.present = \"yes\"", "line 10: the key 'scsi0:0.present' is 'yes', expected TRUE or FALSE")]
    [InlineData("\"500\"", "\"15\"", "line 14: the key 'sched.scsi0:0.throughputCap' is '15', expected a whole number from 16 to 100000000")]
    [InlineData("\"20971520\"", "\"20M\"", "line 15: the key 'alveare.scsi0:0.bandwidthLimit' is '20M', expected a whole number from 16384 to")]
    [InlineData("\"2000\"", "\"highest\"", "line 16: the key 'sched.scsi0:0.shares' is 'highest', expected a whole number from 1 to 1000000")]
    [InlineData("52:54:00:12:34:56", "53:54:00:12:34:56", "line 20: the MAC address of network card 1 ('ethernet0.address') is '53:54:00:12:34:56', expected a unicast address")]
    [InlineData("\"2097152\"", "\"1048575\"", "line 22: the peak of what network card 1 sends ('alveare.ethernet0.outPeak') is 1024 KiB (1048575 bytes)/s, expected none, or the limit of 1 MiB/s to ")]
    [InlineData("\"65536\"", "\"64K\"", "line 23: the key 'alveare.ethernet0.outBurst' is '64K', expected a whole number from 16384 to 1073741824")]
    [InlineData("\"100\"", "\"101\"", "line 25: the key 'alveare.ethernet0.shares' is '101', expected a whole number from 1 to 100")]
    [InlineData("alveare.end = \"TRUE\"\n", "", "it is cut off: the last line, alveare.end = \"TRUE\", is missing")]
    [InlineData("alveare.end = \"TRUE\"\n", "alveare.end = \"TRUE\"", "it is cut off: line 26 has no end")]
    [InlineData("alveare.end = \"TRUE\"\n", "alveare.end = \"TRUE\"\na = \"b\"\n", "line 27: 'a' follows alveare.end, expected that to be the last line")]
    [InlineData("\"Nehalem\"", "\"Neh\0lem\"", "it is binary: byte 205 is 0x00, expected text")]
    public void ABrokenTextIsRefusedWithLineKeyAndWhatWasExpected(string good, string bad, string reason)
    {
        Assert.Contains(good, Golden);
        var fault = Assert.IsType<InvalidMachine>(Assert.Throws<FaultException>(() => Read(Golden.Replace(good, bad))).Fault);
        Assert.Equal("web.vmx", fault.Machine);
        Assert.Contains(reason, fault.Reason);
    }

    [Theory]
    [InlineData("\"500\"", "\"off\"", null, 2000)]
    [InlineData("\"2000\"", "\"high\"", 500, 2000)]
    [InlineData("\"2000\"", "\"low\"", 500, 500)]
    [InlineData("\"2000\"", "\"normal\"", 500, null)]
    public void TheWordsOfOtherProductsForADisksControlsAreUnderstood(string ours, string theirs, int? iops, int? shares)
    {
        var control = Assert.Single(Read(Golden.Replace(ours, theirs)).Disks).Control;
        Assert.Equal((iops, shares), (control.IopsLimit, control.Shares));
    }

    [Fact]
    public void AFileThatIsTooLongEmptyOrNotUtf8IsRefused()
    {
        Assert.Contains("too long, expected at most 65536 bytes", Reason(Encoding.UTF8.GetBytes(Golden.Replace("web ", new string('w', 65536)))));
        Assert.Contains("empty", Reason([]));
        Assert.Contains("byte 1 cannot be read", Reason([(byte)'#', 0xc3, 0x28, (byte)'\n']));
    }

    [Fact]
    public void ADeviceThatIsDeclaredAbsentIsAbsent() => Assert.Empty(Read(Golden.Replace("ethernet0.present = \"TRUE\"", "ethernet0.present = \"FALSE\"")).Nics);

    [Fact]
    public void WhatCouldNotBeReadAgainIsNotWritten()
    {
        var fault = Assert.IsType<InvalidArgument>(Assert.Throws<FaultException>(
            () => VmxFile.Write(Spec with { Disks = [Spec.Disks[0], Spec.Disks[0]] })).Fault);
        Assert.Equal("the file of disk 2", fault.Argument);
        Assert.Throws<FaultException>(() => VmxFile.Write(Spec with { Name = "half \ud800" }));
        Assert.Throws<FaultException>(() => VmxFile.Write(Spec with { Memory = new Bytes(Bytes.FromMib(64).Value + 1) }));
    }

    [Fact]
    public void AFileThatCannotBeReadMayStillSayWhoseItIs()
    {
        Assert.Equal(Spec.Uuid, VmxFile.Salvage(Encoding.UTF8.GetBytes(Golden.Replace("\"2048\"", "\"x"))));
        Assert.Null(VmxFile.Salvage("uuid.bios = \"nothing\"\n"u8));
    }

    private static string Reason(byte[] content) =>
        Assert.IsType<InvalidMachine>(Assert.Throws<FaultException>(() => VmxFile.Read("web.vmx", content)).Fault).Reason;

    private static MachineSpec Read(string text) => VmxFile.Read("web.vmx", Encoding.UTF8.GetBytes(text));
}
