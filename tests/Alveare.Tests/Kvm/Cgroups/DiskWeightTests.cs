using Alveare.Kvm.Cgroups;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

public sealed class DiskWeightTests
{
    [Theory]
    [InlineData(1000, "100", "100")]
    [InlineData(500, "50", "50")]
    [InlineData(2000, "200", "200")]
    [InlineData(1, "1", "1")]
    [InlineData(0, "1", "1")]
    [InlineData(50_000, "5000", "1000")]
    [InlineData(16_000_000, "10000", "1000")]
    public void ANormalDiskWeighsAsMuchAsAGroupThatNobodyHasWeighed(long shares, string cost, string bfq) =>
        Assert.Equal([("io.weight", cost), ("io.bfq.weight", bfq), ("blkio.bfq.weight", bfq)], DiskWeight.Of(shares));

    [Fact]
    public void AMachineHasTheSharesOfAllItsDisks() =>
        Assert.Equal(3500, ShareScale.DiskShares([DiskControl.None, new DiskControl { Shares = 500 }, new DiskControl { Shares = 2000 }]));
}
