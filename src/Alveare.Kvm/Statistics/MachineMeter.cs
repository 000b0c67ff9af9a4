using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Qmp;
using Alveare.Model;

namespace Alveare.Kvm.Statistics;

/// <summary>Reads the counters of one run of a machine.</summary>
internal sealed class MachineMeter : IDisposable
{
    // A QEMU whose main loop waits for its storage answers late: the others' figures do not wait for it, and once it is known to hang, not at all.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly EntityId machine;
    private readonly ProcessMeter process;
    private readonly int[] taps;
    private Task<DiskCounters>? asked;
    private DiskCounters disk;
    private Bytes? inUse;
    private bool asksGuest;

    /// <exception cref="IOException">The process is gone.</exception>
    public MachineMeter(EntityId machine, MachineRun run, IControlGroups? groups, IReadOnlyDictionary<string, int> links)
    {
        this.machine = machine;
        Run = run;
        process = new ProcessMeter(run.Process.Pid, groups?.CounterOf(run.Record.Attachments.ControlGroups));
        taps = [.. run.Record.Attachments.Taps.Where(links.ContainsKey).Select(t => links[t])];
    }

    public MachineRun Run { get; }

    /// <summary>Reads everything; what QEMU does not answer in time stays as it was.</summary>
    /// <param name="askGuest">Ask for the guest's own view of its memory too.</param>
    /// <exception cref="IOException">The process is gone.</exception>
    public async Task<MachineReading> ReadAsync(
        DateTimeOffset now, IReadOnlyDictionary<int, LinkCounters> links, PageMerging merging, bool askGuest, TimeSpan interval)
    {
        await AskQemuAsync(askGuest, interval);
        var network = default(LinkCounters);
        foreach (var tap in taps)
            network += links.GetValueOrDefault(tap).FromOtherEnd();
        var consumed = process.ReadMemory(merging);
        return new MachineReading(
            machine, now, process.VirtualCpus, process.ReadCpuNanoseconds(), process.ReadReadyNanoseconds(),
            consumed, GuestMemory.Active(consumed, inUse), disk, network);
    }

    public void Dispose() => process.Dispose();

    private async Task AskQemuAsync(bool askGuest, TimeSpan interval)
    {
        if (asked is { IsCompleted: false })
            return;
        asked = BlockStatistics.ReadAsync(Run.Qmp, QmpConnection.DefaultTimeout);
        try
        {
            disk = await asked.WaitAsync(Patience);
            if (askGuest)
                await AskGuestAsync(interval);
        }
        catch (Exception e) when (e is QmpException or QmpClosedException or TimeoutException)
        {
            // What it said last stands. Its end, if that is why, is noticed elsewhere.
        }
    }

    private async Task AskGuestAsync(TimeSpan interval)
    {
        if (!asksGuest)
            await GuestMemory.BeginAsync(Run.Qmp, interval, Patience);
        asksGuest = true;
        inUse = await GuestMemory.ReadInUseAsync(Run.Qmp, Patience);
    }
}
