namespace Alveare.Model.Inventory;

/// <summary>Whether a host is powered down to save power.</summary>
public enum HostStandby
{
    /// <summary>It runs machines.</summary>
    None,

    /// <summary>Its machines are being moved away; none comes.</summary>
    Entering,

    /// <summary>It was told to power down, and is woken when it is needed.</summary>
    In,

    /// <summary>It was woken, and is expected to answer.</summary>
    Exiting,
}

/// <summary><see cref="HostStandby"/> as people say it.</summary>
public static class HostStandbyText
{
    public static string Words(this HostStandby standby) => standby switch
    {
        HostStandby.None => "running machines",
        HostStandby.Entering => "being put to standby",
        HostStandby.In => "in standby",
        _ => "being woken",
    };
}

/// <summary>A host is woken by a packet to its network card.</summary>
/// <param name="Mac">Of the card that listens for it, as six pairs of hexadecimal digits with colons.</param>
/// <param name="Broadcast">IPv4 address that the packet is sent to.</param>
public sealed record WakeOnLan(string Mac, string Broadcast = WakeOnLan.EveryNeighbour)
{
    /// <summary>Reaches everybody on the sender's own network, and nobody beyond.</summary>
    public const string EveryNeighbour = "255.255.255.255";
}

/// <summary>A host is powered up and down by its baseboard management controller, which speaks Redfish (DMTF DSP0266).</summary>
/// <param name="Address">Such as <c>https://10.0.0.7</c>, where the controller has one system; else the system itself, such as
/// <c>https://10.0.0.7/redfish/v1/Systems/2</c>.</param>
/// <param name="User">A user of the controller; the password is stored apart and never shown.</param>
/// <param name="Fingerprint">SHA-256 of the controller's certificate in hexadecimal: no other is talked to.</param>
public sealed record Redfish(string Address, string User, string Fingerprint);
