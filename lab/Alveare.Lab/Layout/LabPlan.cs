using System.Globalization;

namespace Alveare.Lab.Layout;

/// <summary>Names and addresses of one lab. Two labs on one machine differ in <see cref="Name"/> and <see cref="State"/>; inside their
/// network namespaces they may use the same addresses, except for the one network that this machine itself joins.</summary>
public sealed record LabPlan
{
    /// <summary>Prefix of namespaces and devices in the machine's own namespace; few letters, because device names are short.</summary>
    public string Name { get; init; } = "alv";

    /// <summary>Directory of everything the lab leaves on disk. Short: unix sockets live below it.</summary>
    public required string State { get; init; }

    /// <summary>First three bytes of the management network, which center, hosts and this machine are on.</summary>
    public string Management { get; init; } = "198.18.0";

    /// <summary>First three bytes of the network between hosts: port groups and memory of moving machines.</summary>
    public string Uplink { get; init; } = "198.18.1";

    /// <summary>First three bytes of the guests' network, which exists on the port group only.</summary>
    public string Guests { get; init; } = "192.0.2";

    /// <summary>The network identifier of the port group.</summary>
    public int Vni { get; init; } = 100;

    /// <summary>Memory of a machine of the lab, in MiB.</summary>
    public int GuestMemoryMib { get; init; } = 128;

    /// <summary>Seconds between two samples of a host's statistics.</summary>
    public int StatisticsSeconds { get; init; } = 20;

    public IReadOnlyList<string> Hosts { get; init; } = ["h1", "h2", "h3"];

    public string Wire => $"{Name}-wire";

    public string Center => $"{Name}-center";

    public string Client => $"{Name}-client";

    /// <summary>All namespaces, the one with the bridges last.</summary>
    public IEnumerable<string> Namespaces => [Center, .. Hosts.Select(NamespaceOf), Client, Wire];

    /// <summary>The end, in the machine's own namespace, of the cable to the management network.</summary>
    public string RootDevice => $"{Name}-mgmt";

    public string Url => $"https://{CenterAddress}:8443";

    public string CenterAddress => $"{Management}.2";

    public string PasswordFile => Path.Combine(State, "password");

    public string AuthorityFile => Path.Combine(State, "ca.crt");

    /// <summary>The shared storage itself.</summary>
    public string SharedDirectory => Path.Combine(State, "shared");

    /// <summary>Where each host has the shared storage mounted, in its own mount namespace; empty outside.</summary>
    public string MountPoint => Path.Combine(State, "datastore");

    /// <summary>Temporary files of the programs: what one that is killed leaves goes with the lab.</summary>
    public string TemporaryDirectory => Path.Combine(State, "tmp");

    public string NamespaceOf(string host) => $"{Name}-{host}";

    /// <summary>Where a file system in memory is mounted for the hosts' run directories, as <c>/run</c> is on a machine of its own.</summary>
    public string RunMount => Path.Combine(State, "run");

    public string RunOf(string host) => Path.Combine(RunMount, host);

    public string StateOf(string program) => Path.Combine(State, program);

    public string LogOf(string program) => Path.Combine(State, $"{program}.log");

    /// <summary>Address of the n-th host (from 0) on the network whose first three bytes are <paramref name="network"/>.</summary>
    public string AddressOf(string host, string network) =>
        string.Create(CultureInfo.InvariantCulture, $"{network}.{11 + Index(host)}");

    public string GuestAddress(int number) => string.Create(CultureInfo.InvariantCulture, $"{Guests}.{number}");

    private int Index(string host)
    {
        for (var i = 0; i < Hosts.Count; i++)
        {
            if (Hosts[i] == host)
                return i;
        }

        throw new ArgumentException($"The lab has no host '{host}'.", nameof(host));
    }
}
