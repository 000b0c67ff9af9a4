using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Qemu;

/// <summary>The QEMU of this machine: where it is, its version, and its firmware.</summary>
public sealed partial record QemuInstallation(string Program, string Version, string? UefiCode, string? UefiVariables)
{
    private const string ProbeCommands =
        """
        {"execute":"qmp_capabilities"}
        {"execute":"query-cpu-model-expansion","arguments":{"type":"full","model":{"name":"max"}}}
        {"execute":"query-cpu-definitions"}
        {"execute":"quit"}

        """;

    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(30);

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
    /// <remarks>Over standard input and output: a QEMU without a machine is so soon in its main loop that a connection to a listening
    /// control socket can meet it while its monitor thread still sets the socket up, and then hangs (QEMU 7.2, once in some 2,000 starts).</remarks>
    public async Task<(ImmutableArray<string> Features, ImmutableArray<HostCpuModel> Models)> ReadCpusAsync(Accelerator accelerator, CancellationToken cancellation)
    {
        string[] arguments =
        [
            "-M", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S",
            "-accel", accelerator == Accelerator.Kvm ? "kvm" : "tcg", "-qmp", "stdio",
        ];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ProbeTimeout);
        using var process = Process.Start(new ProcessStartInfo(Program, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        try
        {
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.StandardInput.WriteAsync(ProbeCommands.AsMemory(), limit.Token);
            process.StandardInput.Close();
            var answers = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return ParseCpus(answers)
                ?? throw new FaultException(new HostOperationFailed("Asking QEMU for its CPUs", (await errors).Trim() is { Length: > 0 } said ? said : answers.Trim()));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new FaultException(new HostOperationFailed("Asking QEMU for its CPUs", $"it did not answer in {ProbeTimeout.TotalSeconds} s"));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    private static (ImmutableArray<string>, ImmutableArray<HostCpuModel>)? ParseCpus(string answers)
    {
        ImmutableArray<string>? features = null;
        ImmutableArray<HostCpuModel> models = [];
        foreach (var line in answers.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var answer = JsonDocument.Parse(line);
            if (!answer.RootElement.TryGetProperty("return", out var result))
                continue;
            if (result.ValueKind == JsonValueKind.Array)
                models = [.. result.EnumerateArray().Select(ModelOf).OfType<HostCpuModel>().OrderBy(m => m.Name, StringComparer.Ordinal)];
            else if (result.TryGetProperty("model", out var model))
                features = FeaturesOf(model);
        }

        return features is { } found ? (found, models) : null;
    }

    private static ImmutableArray<string> FeaturesOf(JsonElement model) =>
    [
        .. model.GetProperty("props").EnumerateObject()
            .Where(p => p.Value.ValueKind == JsonValueKind.True && FeatureName().IsMatch(p.Name))
            .Select(p => p.Name).Order(StringComparer.Ordinal),
    ];

    /// <summary>A processor that was sold, under its name without a version; null for QEMU's own models, the host's CPU and versions.</summary>
    private static HostCpuModel? ModelOf(JsonElement definition)
    {
        var name = definition.GetProperty("name").GetString()!;
        if (!definition.TryGetProperty("alias-of", out _) || !ProcessorName().IsMatch(name) || !definition.TryGetProperty("unavailable-features", out var missing))
            return null;
        return new HostCpuModel(name, [.. missing.EnumerateArray().Select(f => f.GetString()!).Distinct().Order(StringComparer.Ordinal)]);
    }

    [GeneratedRegex("""\d+\.\d+(\.\d+)?""")]
    private static partial Regex VersionNumber();

    // In capitals are the names of processors; qemu64, kvm32, 486 and the like are QEMU's own or have no 64 bits.
    [GeneratedRegex("^[A-Z]")]
    private static partial Regex ProcessorName();

    // QEMU lists its own switches (kvm-…, hv-…, x-…) among the features and some features under two spellings.
    [GeneratedRegex("^(?!kvm|hv-|x-|xen|vmware|migratable|enforce|check|fill|full|host-|legacy|lmce|l3-|realized|start-|tcg|hotplugged|pmu|cpuid-|hotpluggable|unavailable|memory|phys|min-)[a-z0-9.-]+$")]
    private static partial Regex FeatureName();
}
