using Alveare.Kvm.Accelerators;
using Alveare.Kvm.Qemu;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Accelerators;

public sealed class AcceleratorTests
{
    private const string Qemu = "/usr/bin/qemu-system-x86_64";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheTinyGuestComesToItsEndWhereAKernelWould()
    {
        await using var room = MachineRoom.Open();
        Assert.Null(await new AcceleratorProof(Qemu, QemuUser.Find(), room.Path).FindFlawAsync(Accelerator.Emulation, kernel: null, Cancellation));
    }

    [Fact]
    public async Task TheKernelOfThisMachineIsBootedUntilItMissesItsRoot()
    {
        var kernel = Directory.Exists("/boot") ? Directory.GetFiles("/boot", "vmlinuz-*").FirstOrDefault() : null;
        Assert.SkipWhen(kernel is null, "This machine has no kernel in /boot.");
        await using var room = MachineRoom.Open();
        Assert.Null(await new AcceleratorProof(Qemu, QemuUser.Find(), room.Path).FindFlawAsync(Accelerator.Emulation, kernel, Cancellation));
    }

    [Theory]
    [InlineData("exec sleep 60", "was not done after 5 s")]
    [InlineData("exit 0", "ended with status 0")]
    [InlineData("echo no such accelerator >&2; exit 1", "ended with status 1; the last that was heard is: no such accelerator")]
    [InlineData($"exec {Qemu} \"$@\" -cpu qemu32", "ended with status 3")]
    public async Task AGuestThatHangsEndsElsewhereOrHasTheWrongProcessorIsAFlaw(string behaviour, string flaw)
    {
        await using var room = MachineRoom.Open();
        var program = Path.Combine(room.Path, "qemu");
        File.WriteAllText(program, $"#!/bin/sh\n{behaviour}\n");
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);

        var found = await new AcceleratorProof(program, QemuUser.Find(), room.Path).FindFlawAsync(Accelerator.Emulation, kernel: null, Cancellation);

        Assert.Contains(flaw, found);
    }

    [Fact]
    public async Task WithoutADeviceGuestsAreEmulatedAndTheVerdictIsRememberedUntilSomethingChanges()
    {
        await using var room = MachineRoom.Open();
        var qemu = (await QemuInstallation.FindAsync(Cancellation))!;
        var choice = new AcceleratorChoice(qemu, QemuUser.Find(), room.Path, room.Path, "cpu", Path.Combine(room.Path, "no-kvm"));

        var verdict = await choice.ChooseAsync(Cancellation);

        Assert.Equal(Accelerator.Emulation, verdict.Accelerator);
        Assert.Contains("software emulation, which is many times slower: there is no ", verdict.Warning);
        Assert.Contains("sse4.2", verdict.CpuFeatures);
        // Software emulation has all of one and not all of the other.
        Assert.Empty(verdict.CpuModels.Single(m => m.Name == "Westmere").Missing);
        Assert.Contains("pcid", verdict.CpuModels.Single(m => m.Name == "Haswell").Missing);
        var cache = Path.Combine(room.Path, "accelerator.json");
        File.WriteAllBytes(cache, ModelJson.WriteBytes(verdict with { Warning = "remembered" }));
        Assert.Equal("remembered", (await choice.ChooseAsync(Cancellation)).Warning);
        File.WriteAllBytes(cache, ModelJson.WriteBytes(verdict with { Warning = "remembered", Basis = "another kernel" }));
        Assert.Equal(verdict.Warning, (await choice.ChooseAsync(Cancellation)).Warning);
        // Of an agent that did not ask for models.
        File.WriteAllText(cache, ModelJson.Write(verdict with { Warning = "remembered" }).Replace("cpuModels", "other", StringComparison.Ordinal));
        Assert.Equal(verdict.Warning, (await choice.ChooseAsync(Cancellation)).Warning);
        File.WriteAllText(cache, "{");
        Assert.Equal(verdict.Warning, (await choice.ChooseAsync(Cancellation)).Warning);
    }

    [Fact]
    public async Task ADeviceBehindWhichThereIsNoHypervisorIsFoundOut()
    {
        Assert.SkipWhen(File.Exists("/dev/kvm"), "This machine has a hypervisor.");
        await using var room = MachineRoom.Open();
        var qemu = (await QemuInstallation.FindAsync(Cancellation))!;

        var verdict = await new AcceleratorChoice(qemu, QemuUser.Find(), room.Path, room.Path, "cpu", "/dev/null").ChooseAsync(Cancellation);

        Assert.Equal(Accelerator.Emulation, verdict.Accelerator);
        Assert.Contains("hardware virtualization does not work on this machine: a tiny guest that was run to try it out ended with status 1", verdict.Warning);
    }

    [Fact]
    public async Task AHostSaysHowItRunsGuests()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        await MachineRoom.UntilAsync(() => host.ObserveAsync(Cancellation).Result.Facts.CpuFeatures.Length > 0, "the accelerator is chosen");
        var facts = (await host.ObserveAsync(Cancellation)).Facts;
        Assert.Equal(facts.Accelerator == Accelerator.Emulation, facts.AcceleratorWarning is not null);
    }
}
