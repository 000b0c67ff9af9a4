using Alveare.Model;
using Alveare.Model.Statistics;

namespace Alveare.Core.Statistics;

/// <summary>A machine's sample as it is kept: a third of the record's size, because an hour of a large site is eight million of them.</summary>
/// <remarks>Rates keep seven digits, memory whole pages of 4 KiB.</remarks>
internal readonly struct PackedMachineSample(MachineSample sample)
{
    private const long PageBytes = 4096;

    private readonly long _at = sample.At.UtcTicks;
    private readonly float _cpu = (float)sample.CpuPercent;
    private readonly float _ready = (float)sample.CpuReadyPercent;
    private readonly uint _consumed = Pages(sample.MemoryConsumed);
    private readonly uint _active = Pages(sample.MemoryActive);
    private readonly uint _ballooned = Pages(sample.MemoryBallooned);
    private readonly float _diskRead = (float)sample.DiskReadBytesPerSecond;
    private readonly float _diskWrite = (float)sample.DiskWriteBytesPerSecond;
    private readonly float _diskReads = (float)sample.DiskReadsPerSecond;
    private readonly float _diskWrites = (float)sample.DiskWritesPerSecond;
    private readonly float _received = (float)sample.NetworkReceivedBytesPerSecond;
    private readonly float _sent = (float)sample.NetworkSentBytesPerSecond;

    public MachineSample Of(EntityId machine) => new()
    {
        Machine = machine,
        At = new DateTimeOffset(_at, TimeSpan.Zero),
        CpuPercent = _cpu,
        CpuReadyPercent = _ready,
        MemoryConsumed = new Bytes(_consumed * PageBytes),
        MemoryActive = new Bytes(_active * PageBytes),
        MemoryBallooned = new Bytes(_ballooned * PageBytes),
        DiskReadBytesPerSecond = _diskRead,
        DiskWriteBytesPerSecond = _diskWrite,
        DiskReadsPerSecond = _diskReads,
        DiskWritesPerSecond = _diskWrites,
        NetworkReceivedBytesPerSecond = _received,
        NetworkSentBytesPerSecond = _sent,
    };

    public DemandSample Demand(TimeSpan age) => new(_cpu, _ready, new Bytes(_consumed * PageBytes), new Bytes(_active * PageBytes), age);

    private static uint Pages(Bytes memory) => (uint)Math.Clamp(memory.Value / PageBytes, 0, uint.MaxValue);
}
