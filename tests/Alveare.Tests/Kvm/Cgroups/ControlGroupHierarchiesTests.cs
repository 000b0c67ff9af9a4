using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

public sealed class ControlGroupHierarchiesTests
{
    private const string V1 =
        """
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
        cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
        cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
        """;

    private static readonly EntityId Host = EntityId.Host(Guid.NewGuid());

    [Fact]
    public void TheHierarchiesOfEachVersionAreFound()
    {
        var found = ControlGroupHierarchies.Parse(V1, "3:memory:/\n2:cpu,cpuacct:/system.slice/alveare.service\n0::/\n");
        Assert.Equal("/sys/fs/cgroup/unified", found.Unified);
        Assert.Equal(["cpu", "cpuacct", "memory"], found.Controllers.Keys);
        Assert.Equal("/sys/fs/cgroup/cpu,cpuacct", found.Controllers["cpuacct"]);
    }

    [Fact]
    public void AHierarchyThatTheAgentIsConfinedInIsLeftAlone()
    {
        var found = ControlGroupHierarchies.Parse(V1, "3:memory:/supervisor/7\n2:cpu,cpuacct:/\n0::/docker/abc\n");
        Assert.Null(found.Unified);
        Assert.Equal(["cpu", "cpuacct"], found.Controllers.Keys);
    }

    [Theory]
    [InlineData("cpuset cpu io memory pids\n", "ControlGroupsV2")]
    [InlineData("\n", "ControlGroupsV1")]
    public void VersionTwoIsTakenWhereItHasTheControllers(string controllers, string expected)
    {
        var chosen = ControlGroupHierarchies.Parse(V1, "").Choose(Host, _ => controllers);
        Assert.Equal(expected, chosen?.GetType().Name);
    }

    [Fact]
    public void WhereVersionTwoIsAllThereIsItCountsWithoutControllers() =>
        Assert.Equal(
            "ControlGroupsV2",
            ControlGroupHierarchies.Parse("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/\n").Choose(Host, _ => "")?.GetType().Name);

    [Fact]
    public void WithoutAnyHierarchyThereAreNoGroups() =>
        Assert.Null(ControlGroupHierarchies.Parse("proc /proc proc rw 0 0\n", "").Choose(Host, _ => ""));
}
