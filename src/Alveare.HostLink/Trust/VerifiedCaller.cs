using System.Security.Cryptography.X509Certificates;

namespace Alveare.HostLink.Trust;

/// <summary>A certificate that was found to be the center's, and for how long that holds without looking again.</summary>
internal sealed record VerifiedCaller(ReadOnlyMemory<byte> Certificate, Membership Membership, DateTimeOffset From, DateTimeOffset Until)
{
    public static VerifiedCaller Of(X509Certificate2 certificate, Membership membership, DateTimeOffset now)
    {
        DateTimeOffset own = certificate.NotAfter, authority = membership.Authority.NotAfter;
        return new(certificate.RawData, membership, now, own < authority ? own : authority);
    }

    /// <summary>Whether this is the very certificate, for the same center, at a time that lies between the look and its end.</summary>
    public bool Covers(X509Certificate2 certificate, Membership membership, DateTimeOffset now) =>
        ReferenceEquals(membership, Membership) && From <= now && now < Until && certificate.RawDataMemory.Span.SequenceEqual(Certificate.Span);
}
