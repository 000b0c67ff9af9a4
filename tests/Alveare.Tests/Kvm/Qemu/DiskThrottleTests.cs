using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

public sealed class DiskThrottleTests
{
    [Fact]
    public void LimitsAreOfReadsAndWritesTogetherAndNoneIsZero()
    {
        Assert.Equal(
            """{"id":"/machine/peripheral/virtio-disk3/virtio-backend","bps":20971520,"bps_rd":0,"bps_wr":0,"iops":500,"iops_rd":0,"iops_wr":0}""",
            DiskThrottle.Of(3, new DiskControl { IopsLimit = 500, BandwidthLimit = Bytes.FromMib(20), Shares = 2000 }).ToJsonString());
        Assert.Equal(
            """{"id":"/machine/peripheral/virtio-disk0/virtio-backend","bps":0,"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}""",
            DiskThrottle.Of(0, DiskControl.None).ToJsonString());
    }
}
