using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.HostLink.Trust;

/// <summary>A host's side of trust: its key, and the one center it belongs to. Kept in a directory; safe for concurrent calls.</summary>
/// <remarks>Belonging is one file that is replaced as a whole, so a host that is killed in the middle of a join either belongs or does not.</remarks>
public sealed class HostTrust : IDisposable
{
    private readonly Lock _lock = new();
    private readonly string _membershipFile;
    private readonly TimeProvider _time;
    private readonly X509Certificate2 _identity;
    private CancellationTokenSource _ownership = new();
    private volatile Membership? _membership;
    private volatile VerifiedCaller? _verified;

    private HostTrust(string directory, string hostName, X509Certificate2 identity, TimeProvider time)
    {
        _membershipFile = Path.Combine(directory, "membership.json");
        _identity = identity;
        _time = time;
        HostName = hostName;
        Id = Certificates.HostOf(identity);
        _membership = ReadMembership();
    }

    public string HostName { get; }

    public EntityId Id { get; }

    /// <summary>What an administrator compares at joining.</summary>
    public string Fingerprint => Certificates.Fingerprint(_identity);

    /// <summary>Who the host belongs to, for people; null when it is free.</summary>
    public string? Owner => _membership?.CenterName;

    internal Membership? Current => _membership;

    /// <summary>Cancelled when the present center loses the host.</summary>
    internal CancellationToken OwnershipEnded
    {
        get
        {
            lock (_lock)
                return _ownership.Token;
        }
    }

    /// <summary>Opens the host's trust in a directory, making key and certificate at the first start.</summary>
    public static HostTrust Open(string directory, string hostName, TimeProvider time)
    {
        StateFile.MakeDirectory(directory);
        var file = Path.Combine(directory, "identity.pem");
        if (!File.Exists(file))
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var made = Certificates.SelfSigned(key, hostName, time.GetUtcNow());
            StateFile.WriteSecret(file, $"{made.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        }

        return new HostTrust(directory, hostName, X509Certificate2.CreateFromPemFile(file), time);
    }

    /// <summary>The certificate to show to somebody who asks for <paramref name="serverName"/>: the center's for the center, the host's own
    /// for everybody else, above all for those who join.</summary>
    internal X509Certificate2 CertificateFor(string? serverName) =>
        serverName == Certificates.DnsName(Id) && _membership is { } membership ? membership.Certificate : _identity;

    internal byte[] SigningRequest()
    {
        using var key = _identity.GetECDsaPrivateKey()!;
        return new CertificateRequest("CN=host", key, HashAlgorithmName.SHA256).CreateSigningRequest();
    }

    /// <summary>Makes the host belong to the center whose authority signed <paramref name="certificatePem"/>.</summary>
    internal void Enrol(string centerName, string authorityPem, string certificatePem)
    {
        var membership = Load(new MembershipFile(centerName, authorityPem, certificatePem));
        if (Certificates.WhyNotTrusted(
                membership.Certificate, membership.Authority, Certificates.DnsName(Id), Certificates.ServerUse, _time.GetUtcNow()) is { } why)
            throw new FaultException(new HostJoinRefused(HostName, $"the certificate it was given is not valid: {why}"));
        lock (_lock)
        {
            var before = _membership;
            StateFile.WriteSecret(_membershipFile, ModelJson.Write(membership.File));
            _membership = membership;
            if (before is not null && before.Center != membership.Center)
                EndOwnership();
        }
    }

    /// <summary>Replaces the certificate; the center stays.</summary>
    internal void Renew(string certificatePem)
    {
        if (_membership is { } present)
            Enrol(present.CenterName, present.File.Authority, certificatePem);
    }

    /// <summary>The identity of the center whose authority this is. Throws <see cref="HostJoinRefused"/> for what is not a certificate.</summary>
    internal Guid CenterOf(string authorityPem)
    {
        try
        {
            using var authority = X509Certificate2.CreateFromPem(authorityPem);
            return Certificates.IdentityOf(authority.PublicKey);
        }
        catch (CryptographicException e)
        {
            throw new FaultException(new HostJoinRefused(HostName, $"the center's authority cannot be read: {e.Message.TrimEnd('.')}"), e);
        }
    }

    internal void Leave()
    {
        lock (_lock)
        {
            StateFile.Delete(_membershipFile);
            _membership = null;
            EndOwnership();
        }
    }

    /// <summary>Why a caller with this client certificate is not the present center, or null when it is.</summary>
    internal Fault? WhyNotOwner(X509Certificate2? client)
    {
        if (_membership is not { } membership)
            return new HostJoinRefused(HostName, "it belongs to no center; join it first");
        if (client is null)
            return new HostJoinRefused(HostName, "the caller shows no certificate");
        var name = Certificates.CenterDnsName(membership.Center);
        var now = _time.GetUtcNow();
        // A connection shows the same certificate with every call, and following its chain costs as much as many a call.
        if (_verified is { } verified && verified.Covers(client, membership, now))
            return null;
        switch (Certificates.WhyNotTrusted(client, membership.Authority, name, Certificates.ClientUse, now))
        {
            case null:
                _verified = VerifiedCaller.Of(client, membership, now);
                return null;
            case var why when Certificates.IsMadeOutTo(client, name):
                return new HostJoinRefused(HostName, $"the center's certificate is not valid: {why}");
            default:
                return new HostOwnedByAnotherCenter(HostName, membership.CenterName);
        }
    }

    public void Dispose()
    {
        _ownership.Dispose();
        _identity.Dispose();
    }

    private void EndOwnership()
    {
        var ended = _ownership;
        _ownership = new CancellationTokenSource();
        ended.Cancel();
    }

    private Membership? ReadMembership()
    {
        if (!File.Exists(_membershipFile))
            return null;
        try
        {
            return Load(ModelJson.Read<MembershipFile>(File.ReadAllText(_membershipFile)));
        }
        catch (JsonException e)
        {
            throw new FaultException(new FileCorrupt(_membershipFile, e.Message), e);
        }
    }

    private Membership Load(MembershipFile file)
    {
        try
        {
            var authority = X509Certificate2.CreateFromPem(file.Authority);
            using var bare = X509Certificate2.CreateFromPem(file.Certificate);
            if (Certificates.HostOf(bare) != Id)
                throw new FaultException(new HostJoinRefused(HostName, "the certificate is for another key"));
            using var key = _identity.GetECDsaPrivateKey()!;
            return new Membership(file, Certificates.IdentityOf(authority.PublicKey), authority, bare.CopyWithPrivateKey(key));
        }
        catch (CryptographicException e)
        {
            throw new FaultException(new HostJoinRefused(HostName, $"the certificate cannot be read: {e.Message.TrimEnd('.')}"), e);
        }
    }
}

/// <summary>What a host remembers of its center, as it is on disk. PEM.</summary>
internal sealed record MembershipFile(string CenterName, string Authority, string Certificate);

/// <summary>A host's center: who it is and how to know it.</summary>
internal sealed record Membership(MembershipFile File, Guid Center, X509Certificate2 Authority, X509Certificate2 Certificate)
{
    public string CenterName => File.CenterName;
}
