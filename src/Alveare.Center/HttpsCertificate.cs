using System.Net;
using System.Net.NetworkInformation;
using System.Security.Cryptography.X509Certificates;
using Alveare.HostLink.Trust;

namespace Alveare.Center;

/// <summary>The certificate of the center's HTTPS address, from its own authority, replaced in time. Safe for concurrent calls.</summary>
internal sealed class HttpsCertificate(CenterAuthority authority, IPAddress listen, TimeProvider time)
{
    private readonly Lock _lock = new();
    private X509Certificate2? _current;

    /// <summary>The one to show now. Those before stay usable: a handshake may still hold them.</summary>
    public X509Certificate2 Current
    {
        get
        {
            lock (_lock)
            {
                if (_current is null || authority.RenewalDue(_current.NotAfter) <= time.GetUtcNow())
                    _current = authority.NewServerCertificate([Environment.MachineName.ToLowerInvariant(), "localhost"], Addresses());
                return _current;
            }
        }
    }

    private IPAddress[] Addresses()
    {
        var reached = listen.Equals(IPAddress.Any) || listen.Equals(IPAddress.IPv6Any)
            ? NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(d => d.GetIPProperties().UnicastAddresses)
                .Select(a => a.Address)
                .Where(a => !a.IsIPv6LinkLocal)
            : [listen];
        return [.. reached.Append(IPAddress.Loopback).Append(IPAddress.IPv6Loopback).Distinct()];
    }
}
