using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Statistics;

/// <summary>What a machine has used of the CPU and waited for, since its start, and what it has of memory.</summary>
/// <param name="Active">Of what it has consumed; as old as the last regular sample.</param>
public readonly record struct MachineUse(long UsedNanoseconds, long ReadyNanoseconds, Bytes Consumed, Bytes Active);

/// <summary>Divides the host's CPU and memory among its machines anew every few seconds, and what pools leave their disks and network cards, by what each of
/// them wants.</summary>
/// <remarks>What a machine wants of CPU is what it used and what its virtual CPUs waited for (schedstat's run delay, which goes on while a quota holds them).</remarks>
/// <param name="failed">Told of the first round that fails after one that did not.</param>
internal sealed class DivisionLoop(StatisticsSampler statistics, ResourceEnforcement enforcement, TimeProvider time, TimeSpan interval, Action<Exception> failed)
{
    // A guest that begins to work has a little more at once than it had: a tenth more, and a fiftieth of a CPU.
    private const double More = 1.1;
    private const double AtLeast = 0.02;

    private IReadOnlyDictionary<MachineRun, MachineUse> last = new Dictionary<MachineRun, MachineUse>();
    private IReadOnlyDictionary<MachineRun, DeviceCounters> lastDevices = new Dictionary<MachineRun, DeviceCounters>();
    private long lastAt;
    private bool isFailing;

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
            // Memory of those that have a limit is taken from and given back to their guests by what they say now.
            await Task.WhenAll(enforcement.Held.Select(AskAsync));
            var rated = enforcement.Rated;
            var devices = await statistics.ReadDevicesAsync(rated.Disks, rated.Nics);
            var (now, at) = (await statistics.ReadUseAsync(), time.GetTimestamp());
            var elapsed = time.GetElapsedTime(lastAt, at);
            enforcement.Divide(
                now.Where(r => last.ContainsKey(r.Key)).ToDictionary(r => r.Key, r => DemandOf(last[r.Key], r.Value, elapsed.TotalNanoseconds)),
                devices.Where(r => lastDevices.ContainsKey(r.Key)).ToDictionary(r => r.Key, r => r.Value.Since(lastDevices[r.Key], elapsed)));
            (last, lastDevices, lastAt) = (now, devices, at);
            isFailing = false;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The kernel was out of something, or worse: the next round tries again, whatever it was. Said once: rounds are seconds apart.
            if (!isFailing)
                failed(e);
            isFailing = true;
        }
    }

    private async Task AskAsync(MachineRun run)
    {
        try
        {
            await run.Balloon.ReadAsync(interval);
        }
        catch (Exception e) when (e is QmpException or QmpClosedException or TimeoutException)
        {
            // What its guest said last stands.
        }
    }

    internal static MachineDemand DemandOf(MachineUse before, MachineUse now, double nanoseconds) => new(
        AtLeast + (More * Math.Max(0, now.UsedNanoseconds - before.UsedNanoseconds + now.ReadyNanoseconds - before.ReadyNanoseconds) / nanoseconds),
        new Bytes((long)MemoryClaims.WorkedWith(now.Consumed.Value, now.Active.Value)));
}
