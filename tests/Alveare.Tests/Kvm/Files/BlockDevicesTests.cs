using Alveare.Kvm.Files;
using Xunit;

namespace Alveare.Tests.Kvm.Files;

public sealed class BlockDevicesTests
{
    private const string Mounts =
        """
        27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
        40 27 8:1 / /data rw,relatime shared:5 master:2 - xfs /dev/sda1 rw
        41 27 0:44 / /data/nfs rw - nfs4 store:/vms rw
        42 27 7:0 / /my\040data rw - ext4 /dev/loop0 rw
        """;

    [Theory]
    [InlineData("/vms/a/a.vmx", "mq-deadline kyber [bfq] none", null)]
    [InlineData("/vms/a/a.vmx", "[mq-deadline] kyber bfq none", "the disk 254:0 below '/vms/a/a.vmx' has the scheduler 'mq-deadline', expected 'bfq', or io.cost enabled for it")]
    [InlineData("/database/a.vmx", "[none]", "the disk 254:0 below '/database/a.vmx' has the scheduler 'none', expected 'bfq', or io.cost enabled for it")]
    public void TheSchedulerOfTheDiskBelowDecides(string path, string schedulers, string? expected) =>
        Assert.Equal(expected, Why(path, new() { ["/sys/dev/block/254:0/queue/scheduler"] = $"{schedulers}\n", ["/sys/dev/block/254:0/dev"] = "254:0\n" }));

    [Fact]
    public void APartIsSharedAsItsWholeDisk()
    {
        Dictionary<string, string> files = new()
        {
            ["/sys/dev/block/8:1/partition"] = "1\n", ["/sys/dev/block/8:1/../queue/scheduler"] = "[none] mq-deadline\n", ["/sys/dev/block/8:1/../dev"] = "8:0\n",
        };
        Assert.Contains("the disk 8:0", Why("/data/a.vmx", files), StringComparison.Ordinal);
        files["/sys/fs/cgroup/io.cost.qos"] = "8:16 enable=1 ctrl=auto\n8:0 enable=0 ctrl=auto\n";
        Assert.NotNull(Why("/data/a.vmx", files));
        files["/sys/fs/cgroup/io.cost.qos"] = "8:0 enable=1 ctrl=auto rpct=0.00\n";
        Assert.Null(Why("/data/a.vmx", files));
    }

    [Fact]
    public void AFileSystemOfTheNetworkIsOnNoDiskOfThisHost() =>
        Assert.Equal("'/data/nfs/a.vmx' is on nfs4, which is not on one disk of this host", Why("/data/nfs/a.vmx", []));

    [Fact]
    public void ABlankInAMountPointIsUnderstood() =>
        Assert.Null(Why("/my data/a.vmx", new() { ["/sys/dev/block/7:0/queue/scheduler"] = "[bfq]\n" }));

    private static string? Why(string path, Dictionary<string, string> files) => BlockDevices.WhyNoWeights(Mounts, path, f => files.GetValueOrDefault(f, ""));
}
