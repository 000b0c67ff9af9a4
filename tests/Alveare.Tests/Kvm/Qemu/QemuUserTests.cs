using Alveare.Kvm.Qemu;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

/// <summary>Programs that are started as QEMU's user.</summary>
public sealed class QemuUserTests
{
    [Fact]
    public void AProgramHasNothingOfTheAgentsEnvironmentButThePath()
    {
        Environment.SetEnvironmentVariable("ALVEARE_SECRET", "x");
        var start = new QemuUser(1, 2, []).Start("qemu-img", "info");
        Assert.Equal("PATH", Assert.Single(start.Environment.Keys));
        Assert.Equal(["--", "qemu-img", "info"], start.ArgumentList.TakeLast(3));
    }
}
