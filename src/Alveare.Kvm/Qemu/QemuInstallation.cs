using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Qemu;

/// <summary>The QEMU of this machine: where it is, its version, and its firmware.</summary>
public sealed partial record QemuInstallation(string Program, string Version, string? UefiCode, string? UefiVariables)
{
    private static readonly string[] ProgramDirectories = ["/usr/local/bin", "/usr/bin", "/bin"];

    // Debian and Ubuntu ship the 4 MB build; older packages have only the 2 MB one.
    private static readonly (string Code, string Variables)[] Firmwares =
    [
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ];

    /// <summary>Finds QEMU, or returns null when it is not installed.</summary>
    public static async Task<QemuInstallation?> FindAsync(CancellationToken cancellation)
    {
        var program = ProgramDirectories.Select(d => Path.Combine(d, "qemu-system-x86_64")).FirstOrDefault(File.Exists);
        if (program is null)
            return null;
        using var process = Process.Start(new ProcessStartInfo(program, ["--version"]) { RedirectStandardOutput = true })!;
        var text = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        var version = VersionNumber().Match(text) is { Success: true } match ? match.Value : "unknown";
        var firmware = Firmwares.FirstOrDefault(f => File.Exists(f.Code) && File.Exists(f.Variables));
        return new QemuInstallation(program, version, firmware.Code, firmware.Variables);
    }

    /// <summary>The CPU features that a guest can get here, as QEMU itself finds them with this accelerator; sorted.</summary>
    public async Task<ImmutableArray<string>> ReadCpuFeaturesAsync(
        Accelerator accelerator,
        QemuUser user,
        string runRoot,
        CancellationToken cancellation)
    {
        var run = new RunDirectory(runRoot, Guid.Empty);
        run.Create(user);
        try
        {
            string[] command =
            [
                Program, "-M", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S",
                "-accel", accelerator == Accelerator.Kvm ? "kvm" : "tcg",
                "-chardev", $"socket,id=qmp,path={run.Qmp},server=on,wait=off", "-mon", "chardev=qmp,mode=control",
            ];
            var qemu = await QemuProcess.StartAsync(run, user, [], command, _ => { }, cancellation);
            var model = await qemu.Qmp.ExecuteAsync(
                "query-cpu-model-expansion", new { type = "full", model = new { name = "max" } }, cancellation: cancellation);
            qemu.Kill();
            await qemu.AwaitEndAsync();
            return
            [
                .. model.GetProperty("model").GetProperty("props").EnumerateObject()
                    .Where(p => p.Value.ValueKind == JsonValueKind.True && FeatureName().IsMatch(p.Name))
                    .Select(p => p.Name).Order(StringComparer.Ordinal),
            ];
        }
        finally
        {
            run.Remove();
        }
    }

    [GeneratedRegex("""\d+\.\d+(\.\d+)?""")]
    private static partial Regex VersionNumber();

    // QEMU lists its own switches (kvm-…, hv-…, x-…) among the features and some features under two spellings.
    [GeneratedRegex("^(?!kvm|hv-|x-|xen|vmware|migratable|enforce|check|fill|full|host-|legacy|lmce|l3-|realized|start-|tcg|hotplugged|pmu|cpuid-|hotpluggable|unavailable|memory|phys|min-)[a-z0-9.-]+$")]
    private static partial Regex FeatureName();
}
