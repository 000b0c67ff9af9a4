using System.Globalization;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

public sealed class EmulatedMemoryTests
{
    // QEMU's broken way takes memory whose length is a multiple of this.
    private const long BlockKib = 64 * 4;

    [Theory]
    [InlineData(16)]
    [InlineData(128)]
    [InlineData(6_291_456)]
    public void EmulatedMemoryIsNoMultipleOfTheBlocksInWhichAMigrationForgetsWrites(long mib)
    {
        var kib = MemoryKib(mib, Accelerator.Emulation);
        Assert.NotEqual(0, kib % BlockKib);
        Assert.True(kib >= mib * 1024);
    }

    [Fact]
    public void VirtualizedMemoryIsAsLargeAsAskedFor() => Assert.Equal(128 * 1024, MemoryKib(128, Accelerator.Kvm));

    private static long MemoryKib(long mib, Accelerator accelerator)
    {
        var uuid = new Guid("0f8fad5b-d9cb-469f-a165-70867728950e");
        var arguments = CommandLine.Build(
            new MachineSpec { Uuid = uuid, Name = "m", Cpus = 1, Memory = Bytes.FromMib(mib) },
            new QemuRuntime { Program = "qemu", Accelerator = accelerator, Run = new RunDirectory("/run/x", uuid), SerialLog = "/run/x/serial.log" });
        var size = arguments.SkipWhile(a => a != "-m").ElementAt(1);
        return long.Parse(size["size=".Length..^1], CultureInfo.InvariantCulture);
    }
}
