using Alveare.Kvm.Networks;
using Xunit;

namespace Alveare.Tests.Kvm.Networks;

public sealed class UplinkSharesTests
{
    private static readonly UplinkCard Card = new("52:54:00:00:00:01", 50, Limit: null);

    [Fact]
    public void AHostWithoutAnUplinkSaysSoOnceSharesAreAskedFor()
    {
        var shares = new UplinkShares(uplink: null, speed: 1000);
        Assert.Null(shares.Divide([Card], isShared: false));
        Assert.Equal(
            "this host has no uplink that its machines could share (--uplink)",
            shares.Divide([Card, Card with { Shares = 100 }], isShared: true));
    }
}
