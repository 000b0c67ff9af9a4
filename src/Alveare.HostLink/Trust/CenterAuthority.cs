using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Alveare.Model.Faults;

namespace Alveare.HostLink.Trust;

/// <summary>The center's certificate authority: signs hosts, the center's own client certificate and its HTTPS certificate. Safe for
/// concurrent calls.</summary>
public sealed class CenterAuthority : IDisposable
{
    private readonly X509Certificate2 _root;
    private readonly TimeProvider _time;
    private readonly TimeSpan _lifetime;

    private CenterAuthority(X509Certificate2 root, string name, TimeProvider time, TimeSpan lifetime)
    {
        (_root, Name, _time, _lifetime) = (root, name, time, lifetime);
        Id = Certificates.IdentityOf(root.PublicKey);
    }

    /// <summary>The center's identity: that of the authority's key.</summary>
    public Guid Id { get; }

    /// <summary>The center's name for people.</summary>
    public string Name { get; }

    /// <summary>The authority's certificate, for clients that should trust the center.</summary>
    public string RootPem => _root.ExportCertificatePem() + "\n";

    /// <summary>Opens the authority in a directory, making its key at the first start and writing its certificate to <c>ca.crt</c>.</summary>
    public static CenterAuthority Open(string directory, string name, TimeProvider time, HostLinkOptions options)
    {
        StateFile.MakeDirectory(directory);
        var file = Path.Combine(directory, "authority.pem");
        if (!File.Exists(file))
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            // A subject of its own: with the same name as one that it signs, that one would look self-signed.
            var id = Certificates.IdentityOf(new PublicKey(key)).ToString("N")[..8];
            using var made = Certificates.Authority(key, $"Alveare authority {id} of {name}", time.GetUtcNow());
            StateFile.WriteSecret(file, $"{made.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        }

        return new CenterAuthority(X509Certificate2.CreateFromPemFile(file), name, time, options.CertificateLifetime);
    }

    /// <summary>Writes <see cref="RootPem"/> where everybody may read it.</summary>
    public void WriteRoot(string path) => StateFile.WritePublic(path, RootPem);

    /// <summary>The certificate, PEM, for a host's signing request. Throws <see cref="HostAnswerInvalid"/> for one that is not sound.</summary>
    internal string IssueForHost(byte[] signingRequest, string hostName)
    {
        try
        {
            // Loading checks the request's signature: the sender has the key. Nothing else of the request is believed.
            var key = CertificateRequest.LoadSigningRequest(signingRequest, HashAlgorithmName.SHA256).PublicKey;
            var name = Certificates.DnsName(Model.EntityId.Host(Certificates.IdentityOf(key)));
            using var issued = Certificates.Issue(_root, key, hostName, Certificates.ServerUse, [name], [], _time.GetUtcNow(), _lifetime);
            return issued.ExportCertificatePem();
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new FaultException(new HostAnswerInvalid(hostName, $"its signing request is not valid: {e.Message.TrimEnd('.')}"), e);
        }
    }

    /// <summary>A new certificate with which this center shows itself to its hosts.</summary>
    internal X509Certificate2 NewClientCertificate() =>
        WithNewKey($"{Name} center", Certificates.ClientUse, [Certificates.CenterDnsName(Id)], []);

    /// <summary>A new certificate for the center's HTTPS address.</summary>
    public X509Certificate2 NewServerCertificate(IReadOnlyCollection<string> dnsNames, IReadOnlyCollection<IPAddress> addresses) =>
        WithNewKey(dnsNames.FirstOrDefault() ?? Name, Certificates.ServerUse, dnsNames, addresses);

    /// <summary>When a certificate of this authority that ends at <paramref name="expiry"/> should be replaced.</summary>
    public DateTimeOffset RenewalDue(DateTimeOffset expiry) => expiry - (_lifetime * 2 / 3);

    /// <summary>Whether this authority signed a certificate, whatever else may be wrong with it.</summary>
    internal bool HasIssued(X509Certificate2 certificate) => certificate.Extensions
        .OfType<X509AuthorityKeyIdentifierExtension>()
        .Any(e => e.KeyIdentifier is { } key && key.Span.SequenceEqual(Certificates.KeyIdentifier(_root.PublicKey)));

    /// <summary>Why a server is not the host <paramref name="host"/> of this center, or null.</summary>
    internal string? WhyNotHost(X509Certificate2 certificate, Model.EntityId host) =>
        Certificates.WhyNotTrusted(certificate, _root, Certificates.DnsName(host), Certificates.ServerUse, _time.GetUtcNow());

    public void Dispose() => _root.Dispose();

    private X509Certificate2 WithNewKey(string name, Oid use, IReadOnlyCollection<string> dnsNames, IReadOnlyCollection<IPAddress> addresses)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var bare = Certificates.Issue(_root, new PublicKey(key), name, use, dnsNames, addresses, _time.GetUtcNow(), _lifetime);
        return bare.CopyWithPrivateKey(key);
    }
}
