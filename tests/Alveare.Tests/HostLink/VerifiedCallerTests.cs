using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Alveare.HostLink.Trust;
using Xunit;

namespace Alveare.Tests.HostLink;

/// <summary>How long a look at a caller's certificate holds.</summary>
public sealed class VerifiedCallerTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void ALookHoldsForTheSameCertificateAndCenterUntilEitherEnds()
    {
        using X509Certificate2 caller = Made(TimeSpan.FromDays(3)), other = Made(TimeSpan.FromDays(3)), authority = Made(TimeSpan.FromDays(2));
        Membership center = Of(authority), next = Of(authority);
        var verified = VerifiedCaller.Of(caller, center, Now);
        Assert.True(verified.Covers(caller, center, Now));
        Assert.True(verified.Covers(caller, center, Now + TimeSpan.FromDays(1.9)));
        Assert.False(verified.Covers(caller, center, Now + TimeSpan.FromDays(2)));
        Assert.False(verified.Covers(caller, center, Now - TimeSpan.FromSeconds(1)));
        Assert.False(verified.Covers(other, center, Now));
        Assert.False(verified.Covers(caller, next, Now));
    }

    private static Membership Of(X509Certificate2 authority) => new(new MembershipFile("center", "", ""), Guid.Empty, authority, authority);

    private static X509Certificate2 Made(TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256).CreateSelfSigned(Now - TimeSpan.FromDays(1), Now + lifetime);
    }
}
