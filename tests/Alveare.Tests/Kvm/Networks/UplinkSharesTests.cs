using Alveare.Kvm.Networks;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Kvm.Networks;

public sealed class UplinkSharesTests
{
    private static readonly NicSpec Card = new("52:54:00:00:00:01", "red");

    [Fact]
    public void AHostWithoutAnUplinkSaysSoOnceSharesAreAskedFor()
    {
        var shares = new UplinkShares(uplink: null, speed: 1000);
        Assert.Null(shares.Divide([Card]));
        Assert.Equal(
            "this host has no uplink that its machines could share (--uplink)",
            shares.Divide([Card, Card with { Control = new NicControl { Shares = 100 } }]));
    }
}
