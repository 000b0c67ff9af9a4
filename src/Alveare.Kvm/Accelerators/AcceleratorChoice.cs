using System.Globalization;
using Alveare.Kvm.Files;
using Alveare.Kvm.Qemu;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Accelerators;

/// <summary>Chooses between hardware virtualization and emulation; remembers the proof until kernel, QEMU or processor change.</summary>
/// <param name="stateDirectory">Where the proof is remembered.</param>
/// <param name="runRoot">A directory that QEMU's user can reach.</param>
/// <param name="kvmDevice">The device of the kernel's hypervisor.</param>
public sealed class AcceleratorChoice(QemuInstallation qemu, QemuUser user, string stateDirectory, string runRoot, string cpuModel, string kvmDevice = "/dev/kvm")
{
    /// <summary>What is said while nobody knows yet.</summary>
    public const string Pending = "hardware virtualization is being tried out with a guest; machines that are started wait for the result";

    private string CacheFile => Path.Combine(stateDirectory, "accelerator.json");

    /// <summary>The verdict of an earlier run when nothing has changed since, else one that is found by running guests.</summary>
    public async Task<AcceleratorVerdict> ChooseAsync(CancellationToken cancellation)
    {
        var basis = ReadBasis();
        if (ReadCache() is { CpuModels.IsDefault: false } cached && cached.Basis == basis)
            return cached;
        var flaw = await FindFlawAsync(cancellation);
        var accelerator = flaw is null ? Accelerator.Kvm : Accelerator.Emulation;
        var warning = flaw is null ? null : $"guests run in software emulation, which is many times slower: {flaw}";
        var (features, models) = await qemu.ReadCpusAsync(accelerator, cancellation);
        var verdict = new AcceleratorVerdict(basis, accelerator, warning, features, models);
        WholeFile.Replace(CacheFile, verdict, flush: false);
        return verdict;
    }

    private async Task<string?> FindFlawAsync(CancellationToken cancellation)
    {
        if (!File.Exists(kvmDevice))
            return $"there is no {kvmDevice} (hardware virtualization is off in this machine's firmware, or its own host does not pass it on)";
        var kernel = $"/boot/vmlinuz-{Release()}";
        return await new AcceleratorProof(qemu.Program, user, runRoot)
            .FindFlawAsync(Accelerator.Kvm, CanRead(kernel) ? kernel : null, cancellation) is { } flaw
                ? $"hardware virtualization does not work on this machine: {flaw}"
                : null;
    }

    private string ReadBasis()
    {
        var program = new FileInfo(qemu.Program);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{File.ReadAllText("/proc/version").Trim()}; {qemu.Program} {qemu.Version} {program.Length} {program.LastWriteTimeUtc:O}; "
            + $"{cpuModel}; {kvmDevice} {(File.Exists(kvmDevice) ? "exists" : "is missing")}; user {user.Uid} {string.Join(' ', user.ExtraGroups)}");
    }

    /// <summary>A file that is broken is as good as none: the proof is done again.</summary>
    private AcceleratorVerdict? ReadCache()
    {
        try
        {
            return WholeFile.Read<AcceleratorVerdict>(CacheFile);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or IOException)
        {
            return null;
        }
    }

    private static string Release() => File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    /// <summary>The proof runs as QEMU's user, who may read what everybody may.</summary>
    private static bool CanRead(string path) => File.Exists(path) && (File.GetUnixFileMode(path) & UnixFileMode.OtherRead) != 0;
}
