using System.Diagnostics;
using Alveare.Kvm.Qemu;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;

namespace Alveare.Kvm.Accelerators;

/// <summary>Finds out by running guests whether an accelerator of this machine works.</summary>
/// <remarks>That its device opens says little: nested virtualization can run a firmware and hang the first kernel. So a tiny guest does
/// what kernels do, and where this machine's own kernel can be read, that is booted too, until it misses its root file system.
/// Both run as the user, and with the rights, that machines run with.</remarks>
/// <param name="directory">Where the guest's image is put.</param>
public sealed class AcceleratorProof(string program, QemuUser user, string directory)
{
    // On a working KVM in a machine that is itself emulated, the slowest that was tried, these take 1.5 s and 20 s.
    private static readonly TimeSpan GuestPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan KernelPatience = TimeSpan.FromSeconds(30);

    // What a Linux kernel says that has done everything but mount its root file system.
    private const string KernelGoal = "Unable to mount root fs";

    /// <summary>Why the accelerator is not to be used, as the end of a sentence; null when it has been proven.</summary>
    /// <param name="kernel">A Linux kernel's image, or null to do without.</param>
    public async Task<string?> FindFlawAsync(Accelerator accelerator, string? kernel, CancellationToken cancellation)
    {
        var image = Path.Combine(directory, "proof-guest");
        await File.WriteAllBytesAsync(image, ProofGuest.Image, cancellation);
        File.SetUnixFileMode(image, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        var guest = await RunAsync(accelerator, GuestPatience, cancellation,
            "-m", "16", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-kernel", image);
        if (guest.Status != ProofGuest.ExitStatus)
            return Describe("a tiny guest that was run to try it out", guest, GuestPatience);
        if (kernel is null)
            return null;
        var linux = await RunAsync(accelerator, KernelPatience, cancellation,
            "-m", "256", "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1");
        return linux.Said.Contains(KernelGoal, StringComparison.Ordinal) ? null : Describe($"the kernel '{kernel}'", linux, KernelPatience);
    }

    private static string Describe(string who, Run run, TimeSpan patience)
    {
        var how = run.Status is { } status ? $"ended with status {status}" : $"was not done after {patience.TotalSeconds} s";
        var said = run.Said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return said.Length == 0 ? $"{who} {how}" : $"{who} {how}; the last that was heard is: {said[^1]}";
    }

    private async Task<Run> RunAsync(Accelerator accelerator, TimeSpan patience, CancellationToken cancellation, params string[] arguments)
    {
        string[] common =
        [
            program, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-machine", $"{CommandLine.MachineType},usb=off,smm=off",
            "-accel", accelerator == Accelerator.Kvm ? "kvm" : "tcg,tb-size=32", "-cpu", CpuArgument.Of(CpuBaselines.Default),
        ];
        var start = user.Start([.. common, .. arguments]);
        start.RedirectStandardInput = true;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        int? status = null;
        try
        {
            await process.WaitForExitAsync(limit.Token);
            status = process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        cancellation.ThrowIfCancellationRequested();
        return new Run(status, await output + await errors);
    }

    /// <param name="Status">Null for one that had to be ended.</param>
    private sealed record Run(int? Status, string Said);
}
