using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;

namespace Alveare.Kvm.Statistics;

/// <summary>What a machine has used of the CPU and waited for, since its start.</summary>
public readonly record struct CpuUse(long UsedNanoseconds, long ReadyNanoseconds);

/// <summary>Divides the host's CPU among its machines anew every few seconds, by what each of them wants.</summary>
/// <remarks>What a machine wants is what it used and what its virtual CPUs waited for (schedstat's run delay, which goes on while a quota holds them).</remarks>
internal sealed class CpuDivision(StatisticsSampler statistics, ResourceEnforcement enforcement, TimeProvider time, TimeSpan interval)
{
    // A guest that begins to work has a little more at once than it had: a tenth more, and a fiftieth of a CPU.
    private const double More = 1.1;
    private const double AtLeast = 0.02;

    private IReadOnlyDictionary<MachineRun, CpuUse> last = new Dictionary<MachineRun, CpuUse>();
    private long lastAt;

    public async Task RunAsync(CancellationToken end)
    {
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(end))
                await DivideAsync();
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
    }

    private async Task DivideAsync()
    {
        try
        {
            var (now, at) = (await statistics.ReadCpuAsync(), time.GetTimestamp());
            var nanoseconds = time.GetElapsedTime(lastAt, at).TotalNanoseconds;
            enforcement.Divide(now.Where(r => last.ContainsKey(r.Key)).ToDictionary(r => r.Key, r => DemandOf(last[r.Key], r.Value, nanoseconds)));
            (last, lastAt) = (now, at);
        }
        catch (Exception e) when (e is IOException or NetlinkException)
        {
            // The kernel was out of something: the next round tries again.
        }
    }

    /// <summary>In CPUs.</summary>
    internal static double DemandOf(CpuUse before, CpuUse now, double nanoseconds) =>
        AtLeast + (More * Math.Max(0, now.UsedNanoseconds - before.UsedNanoseconds + now.ReadyNanoseconds - before.ReadyNanoseconds) / nanoseconds);
}
