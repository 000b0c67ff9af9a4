using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using Xunit;

namespace Alveare.Tests.Planning.Snapshots;

/// <summary>What is written is read again as it was.</summary>
public sealed class SnapshotWriterTests
{
    private static readonly ClusterSnapshot Sample = new()
    {
        Name = "web \"quoted\" ünïcode",
        Hosts = [new("h1", 9600.5, 65536), new("h 2", 1e-3, 1e9)],
        Vms =
        [
            new SnapshotVm
            {
                Id = "vm1", Host = "h1", Vcpus = 4, CpuDemandMhz = 1234.5678901, MemMb = 2048, ConsumedMb = 1000.25, ActiveMb = 0, CpuReservationMhz = 10,
                CpuLimitMhz = 100, CpuShares = 4000, MemReservationMb = 20, MemLimitMb = 2000, MemShares = 20480, OnlyOn = ["h1", "h 2"],
            },
            new SnapshotVm { Id = "vm2", Host = "h 2" },
            new SnapshotVm { Id = "vm3", Host = "h 2", OwnMode = OwnMode.Off },
            new SnapshotVm { Id = "vm4", Host = "h 2", OwnMode = OwnMode.Manual },
            new SnapshotVm { Id = "vm5", Host = "h 2", OwnMode = OwnMode.Partial },
            new SnapshotVm { Id = "vm6", Host = "h 2", OwnMode = OwnMode.Full },
            new SnapshotVm { Id = "vm7", Host = "h 2", IsPaused = true },
            new SnapshotVm { Id = "vm8", Host = "h 2", OnlyOn = ["h 2"], StartsOn = [] },
            new SnapshotVm { Id = "vm9", Host = "h 2", OnlyOn = ["h 2"], StartsOn = ["h1"] },
        ],
        Rules =
        [
            new("a", RuleKind.Together, ["vm1", "vm2"], []),
            new("b", RuleKind.Apart, ["vm1", "vm2"], []),
            new("c", RuleKind.OnHosts, ["vm1"], ["h1", "gone"]) { Priority = 70, IsMust = false },
        ],
    };

    [Fact]
    public void WhatIsWrittenIsReadAgain()
    {
        var read = SnapshotReader.Read(SnapshotWriter.Write(Sample), "file");
        Assert.Equal((Sample.Name, Sample.Hosts.AsEnumerable()), (read.Name, read.Hosts.AsEnumerable()), ByContent);
        Assert.Equal(Sample.Vms.Length, read.Vms.Length);
        foreach (var (before, after) in Sample.Vms.Zip(read.Vms))
        {
            Assert.Equal(before.OnlyOn, after.OnlyOn);
            Assert.Equal(before.StartsOn?.AsEnumerable(), after.StartsOn?.AsEnumerable());
            Assert.Equal(before with { OnlyOn = default, StartsOn = null }, after with { OnlyOn = default, StartsOn = null });
        }

        Assert.Equal(Sample.Rules.Select(Content), read.Rules.Select(Content));
        Assert.Equal(SnapshotWriter.Write(Sample), SnapshotWriter.Write(read));
    }

    [Fact]
    public void AnEmptyClusterIsWrittenToo() => Assert.Empty(SnapshotReader.Read(SnapshotWriter.Write(new ClusterSnapshot()), "file").Hosts);

    [Fact]
    public void AMachineMovesOnlyWhereItCanRun()
    {
        var vms = Enumerable.Range(0, 6).Select(n => new SnapshotVm
        {
            Id = $"vm{n}", Host = "h1", CpuDemandMhz = 2000, MemMb = 1024, ConsumedMb = 1024, ActiveMb = 512, OnlyOn = n < 5 ? ["h1", "h2"] : ["h1"],
        });
        var snapshot = new ClusterSnapshot { Hosts = [new("h1", 10000, 16000), new("h2", 10000, 16000), new("h3", 10000, 16000)], Vms = [.. vms] };
        foreach (var (level, most) in new (int, int?)[] { (3, null), (5, null), (5, 2) })
        {
            var moves = Balancer.Plan(new Cluster(snapshot), BalanceLevel.Of(level), most).Moves;
            Assert.NotEmpty(moves);
            Assert.All(moves, m => Assert.True(m.To == "h2" && m.Vm != "vm5"));
        }
    }

    private static object Content(SnapshotRule rule) => (rule.Id, rule.Kind, rule.Priority, rule.IsMust, string.Join(' ', rule.Vms), string.Join(' ', rule.Hosts));

    private static bool ByContent((string Name, IEnumerable<SnapshotHost> Hosts) one, (string Name, IEnumerable<SnapshotHost> Hosts) other) =>
        one.Name == other.Name && one.Hosts.SequenceEqual(other.Hosts);
}
