using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Alveare.Model;

namespace Alveare.HostLink.Trust;

/// <summary>Makes and checks the certificates of the host link: ECDSA P-256, SHA-256.</summary>
/// <remarks>Hosts and centers are who their key is: the UUID of both is made from the hash of the public key. So nobody can get a
/// certificate for somebody else's identity, and a host that changed hands is told from one that was replaced.</remarks>
internal static class Certificates
{
    public static readonly Oid ServerUse = new("1.3.6.1.5.5.7.3.1");
    public static readonly Oid ClientUse = new("1.3.6.1.5.5.7.3.2");

    private static readonly TimeSpan ClockTolerance = TimeSpan.FromDays(1);
    private static readonly TimeSpan Decades = TimeSpan.FromDays(365 * 20);

    /// <summary>The identity of a key: a version 8 UUID of the SHA-256 of its public part.</summary>
    public static Guid IdentityOf(PublicKey key)
    {
        var bytes = SHA256.HashData(key.ExportSubjectPublicKeyInfo()).AsSpan(0, 16);
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x80);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>SHA-256 of the whole certificate, upper-case hexadecimal: what people compare.</summary>
    public static string Fingerprint(X509Certificate2 certificate) => certificate.GetCertHashString(HashAlgorithmName.SHA256);

    public static EntityId HostOf(X509Certificate2 certificate) => EntityId.Host(IdentityOf(certificate.PublicKey));

    /// <summary>The DNS form of an identity in certificates and in TLS' server name.</summary>
    public static string DnsName(EntityId host) => $"{host}.alveare.internal";

    public static string CenterDnsName(Guid center) => $"center-{center:N}.alveare.internal";

    /// <summary>What certificates name their signer's key by.</summary>
    public static ReadOnlySpan<byte> KeyIdentifier(PublicKey key) => SHA256.HashData(key.ExportSubjectPublicKeyInfo()).AsSpan(0, 20);

    public static X509Certificate2 SelfSigned(ECDsa key, string name, DateTimeOffset now)
    {
        var request = Request(name, new PublicKey(key), key);
        AddUse(request, ServerUse, [DnsName(EntityId.Host(IdentityOf(request.PublicKey)))], []);
        return request.CreateSelfSigned(now - ClockTolerance, now + Decades);
    }

    public static X509Certificate2 Authority(ECDsa key, string name, DateTimeOffset now)
    {
        var request = Request(name, new PublicKey(key), key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(KeyIdentifier(request.PublicKey), critical: false));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        return request.CreateSelfSigned(now - ClockTolerance, now + Decades);
    }

    /// <summary>A certificate for <paramref name="key"/> signed by <paramref name="authority"/>, without a private key.</summary>
    public static X509Certificate2 Issue(
        X509Certificate2 authority,
        PublicKey key,
        string name,
        Oid use,
        IReadOnlyCollection<string> dnsNames,
        IReadOnlyCollection<IPAddress> addresses,
        DateTimeOffset now,
        TimeSpan lifetime)
    {
        var request = Request(name, key, null);
        AddUse(request, use, dnsNames, addresses);
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(KeyIdentifier(authority.PublicKey)));
        var from = Max(now - Min(ClockTolerance, lifetime), authority.NotBefore);
        return request.Create(authority, from, Min(now + lifetime, authority.NotAfter), RandomNumberGenerator.GetBytes(16));
    }

    /// <summary>Why <paramref name="certificate"/> is not one of <paramref name="authority"/> for this name and use, or null.</summary>
    public static string? WhyNotTrusted(X509Certificate2 certificate, X509Certificate2 authority, string dnsName, Oid use, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(use);
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        if (!chain.Build(certificate))
            return string.Join(", ", chain.ChainStatus.Select(s => s.StatusInformation.Trim().TrimEnd('.')).Distinct());
        return IsMadeOutTo(certificate, dnsName) ? null : $"it is not made out to {dnsName}";
    }

    /// <summary>Whether a certificate, trusted or not, claims this name.</summary>
    public static bool IsMadeOutTo(X509Certificate2 certificate, string dnsName) => certificate.Extensions
        .OfType<X509SubjectAlternativeNameExtension>()
        .SelectMany(e => e.EnumerateDnsNames())
        .Contains(dnsName, StringComparer.Ordinal);

    private static CertificateRequest Request(string name, PublicKey publicKey, ECDsa? key)
    {
        var subject = new X500DistinguishedNameBuilder();
        // X.520 allows 64 characters for a common name; it is for people only.
        subject.AddCommonName(name.Length <= 64 ? name : name[..64]);
        return key is null
            ? new CertificateRequest(subject.Build(), publicKey, HashAlgorithmName.SHA256)
            : new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
    }

    private static void AddUse(CertificateRequest request, Oid use, IReadOnlyCollection<string> dnsNames, IReadOnlyCollection<IPAddress> addresses)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([use], critical: false));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var dnsName in dnsNames)
            names.AddDnsName(dnsName);
        foreach (var address in addresses)
            names.AddIpAddress(address);
        request.CertificateExtensions.Add(names.Build());
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
