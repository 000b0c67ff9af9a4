using Alveare.Kvm.Cgroups;
using Alveare.Model;

namespace Alveare.Kvm.Statistics;

/// <summary>The kernel's counters of one QEMU, its files kept open.</summary>
internal sealed class ProcessMeter : IDisposable
{
    // QEMU names its virtual CPUs' threads so (-name debug-threads=on), such as "CPU 0/KVM".
    private const string VirtualCpuPrefix = "CPU ";

    // Words of /proc/PID/stat from 0: time in user mode and in the kernel, in ticks of 10 ms.
    private const int UserTicks = 13;
    private const int KernelTicks = 14;
    private const long NanosecondsPerTick = 10_000_000;

    private readonly CpuCounter? counter;
    private readonly KernelFile cpu;
    private readonly KernelFile memory;
    private readonly KernelFile? merged;
    private readonly KernelFile[] virtualCpus;

    /// <summary>Opens the counters of process <paramref name="pid"/>; CPU time comes from its control group where it has one.</summary>
    /// <exception cref="IOException">The process is gone.</exception>
    public ProcessMeter(int pid, CpuCounter? counter)
    {
        this.counter = counter;
        cpu = new KernelFile(counter?.File ?? $"/proc/{pid}/stat");
        memory = new KernelFile($"/proc/{pid}/statm");
        merged = KernelFile.TryOpen($"/proc/{pid}/ksm_merging_pages");
        virtualCpus =
        [
            .. Directory.EnumerateDirectories($"/proc/{pid}/task")
                .Where(t => File.ReadAllText(Path.Combine(t, "comm")).StartsWith(VirtualCpuPrefix, StringComparison.Ordinal))
                .Select(t => KernelFile.TryOpen(Path.Combine(t, "schedstat"))).OfType<KernelFile>(),
        ];
    }

    public int VirtualCpus => virtualCpus.Length;

    public long ReadCpuNanoseconds() => counter switch
    {
        null => (cpu.ReadNumber(UserTicks) + cpu.ReadNumber(KernelTicks)) * NanosecondsPerTick,
        { Key: "" } => cpu.ReadNumber() * counter.NanosecondsPerCount,
        _ => cpu.ReadNumber(counter.Key) * counter.NanosecondsPerCount,
    };

    /// <summary>The first two words of schedstat, of all virtual CPUs together.</summary>
    public VirtualCpuTimes ReadVirtualCpus()
    {
        var sum = default(VirtualCpuTimes);
        foreach (var thread in virtualCpus)
        {
            var (ran, waited) = thread.ReadNumbers();
            sum = new VirtualCpuTimes(sum.RanNanoseconds + ran, sum.ReadyNanoseconds + waited);
        }

        return sum;
    }

    /// <summary>Resident memory, of which pages that KSM has merged count with the share that <paramref name="merging"/> gives.</summary>
    /// <remarks>The kernel's own proportional set (smaps_rollup) walks the whole page table: 10 ms and more per GiB, on every reading.</remarks>
    public Bytes ReadMemory(PageMerging merging)
    {
        var pages = memory.ReadNumber(1);
        if (merging.IsActive && merged is not null)
            pages -= (long)(merged.ReadNumber() * merging.Saved);
        return new Bytes(Math.Max(0, pages) * Environment.SystemPageSize);
    }

    public void Dispose()
    {
        cpu.Dispose();
        memory.Dispose();
        merged?.Dispose();
        foreach (var thread in virtualCpus)
            thread.Dispose();
    }
}

/// <summary>What the virtual CPUs of a machine have got of the host's.</summary>
/// <param name="RanNanoseconds">Time on a CPU, accurate to the kernel's tick.</param>
/// <param name="ReadyNanoseconds">Time spent runnable, waiting for a CPU.</param>
internal readonly record struct VirtualCpuTimes(long RanNanoseconds, long ReadyNanoseconds);

/// <summary>How well the kernel's page merging (KSM) does on this host now.</summary>
/// <param name="Saved">The part of the merged pages that takes no memory, 0 to 1.</param>
internal readonly record struct PageMerging(double Saved)
{
    private const string Root = "/sys/kernel/mm/ksm";

    public bool IsActive => Saved > 0;

    /// <summary>pages_shared are the pages kept, pages_sharing the further places they stand at.</summary>
    public static PageMerging Read()
    {
        using var sharing = KernelFile.TryOpen($"{Root}/pages_sharing");
        using var shared = KernelFile.TryOpen($"{Root}/pages_shared");
        if (sharing is null || shared is null || sharing.ReadNumber() is not (> 0 and var further))
            return default;
        return new PageMerging((double)further / (further + shared.ReadNumber()));
    }
}
