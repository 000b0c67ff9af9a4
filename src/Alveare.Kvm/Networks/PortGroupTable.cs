using System.Collections.Immutable;
using System.Globalization;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Networks;

/// <summary>Where a host keeps which port groups it is to have, and where it tells about them.</summary>
/// <param name="Read">What is wanted, as kept.</param>
/// <param name="Keep">Keeps what is wanted from now on, durably.</param>
/// <param name="Offer">Tells watchers which port groups machines can be put on.</param>
/// <param name="Report">Tells watchers what happened.</param>
public sealed record PortGroupRecord(
    Func<ImmutableArray<PortGroupSpec>> Read,
    Action<ImmutableArray<PortGroupSpec>> Keep,
    Action<ImmutableArray<PortGroupSpec>> Offer,
    Action<HostEventRaised> Report)
{
    public ImmutableArray<PortGroupSpec> Wanted => Read();
}

/// <summary>The port groups of this host, each a bridge with a VXLAN device to the other hosts, and the taps of running machines on them.</summary>
/// <remarks>The kernel is the record of what is built: devices carry the host's identity in their alias, so that a restarted agent finds them
/// and takes nobody else's. A port group that is no longer wanted while a machine uses it
/// stays until the last of them has left; new machines do not get onto it.</remarks>
public sealed class PortGroupTable(EntityId host, string hostName, string? uplinkName, PortGroupRecord record)
{
    private const int MaxVni = (1 << 24) - 1;

    private readonly DeviceNames names = new(host);
    private readonly Lock sync = new();

    /// <summary>Builds what the registry wants, after the start of the agent or the machine, and removes taps that belong to no run.</summary>
    public void Restore(IReadOnlySet<string> tapsInUse)
    {
        lock (sync)
        {
            Guard("Building the port groups anew", () =>
            {
                using var links = new Links();
                var used = tapsInUse.Concat(tapsInUse.Select(DeviceNames.IfbOf)).ToHashSet();
                foreach (var leftover in links.List().Where(l => (names.IsTap(l) || names.IsIfb(l)) && !used.Contains(l.Name)))
                    links.Remove(leftover.Name);
                Build(links, record.Wanted);
                record.Offer(record.Wanted);
            });
        }
    }

    /// <summary>Makes the port groups exactly these. On failure what was built for it is taken back.</summary>
    public void Apply(ImmutableArray<PortGroupSpec> wanted)
    {
        RequireSound(wanted);
        lock (sync)
        {
            Guard("Applying port groups", () =>
            {
                using var links = new Links();
                Build(links, wanted);
                if (!wanted.SequenceEqual(record.Wanted))
                {
                    record.Keep(wanted);
                    record.Offer(wanted);
                }

                RemoveUnwanted(links, report: true);
            });
        }
    }

    /// <summary>Makes the taps of a machine that is about to start, one per network card, and answers their names.</summary>
    /// <remarks>A tap of an earlier run of the same machine is replaced.</remarks>
    public ImmutableArray<string> AddTaps(MachineSpec machine, QemuUser user)
    {
        lock (sync)
        {
            var bridges = machine.Nics.Select(nic => BridgeOf(nic.PortGroup)).ToArray();
            var taps = machine.Nics.Select((_, nic) => names.Tap(machine.Uuid, nic)).ToImmutableArray();
            try
            {
                Guard($"Connecting virtual machine '{machine.Name}' to its port groups", () =>
                {
                    TapDevices.AllowUsers();
                    using var links = new Links();
                    if (!bridges.All(Links.Exists))
                        Build(links, record.Wanted);
                    for (var nic = 0; nic < taps.Length; nic++)
                        AddTap(links, taps[nic], names.AliasOfTap(machine, nic), bridges[nic], user);
                });
            }
            catch
            {
                Remove(taps);
                throw;
            }

            return taps;
        }
    }

    /// <summary>Removes the taps of a machine that has ended, and port groups that only waited for it. What the kernel refuses is reported and left
    /// for the next start of the agent: the machine has ended all the same.</summary>
    public void RemoveTaps(ImmutableArray<string> taps)
    {
        lock (sync)
            Remove(taps);
    }

    private void Remove(ImmutableArray<string> taps)
    {
        try
        {
            using var links = new Links();
            foreach (var tap in taps)
            {
                links.Remove(tap);
                links.Remove(DeviceNames.IfbOf(tap));
            }

            RemoveUnwanted(links, report: false);
        }
        catch (NetlinkException e)
        {
            record.Report(new HostEventRaised(
                "host.network-leftover", host, $"On host '{hostName}' a network device that nobody uses any more stays: {e.Message}.", IsProblem: true));
        }
    }

    private static void AddTap(Links links, string name, string alias, string bridge, QemuUser user)
    {
        links.Remove(name);
        TapDevices.Add(name, user);
        links.Describe(name, alias, CommandLine.GuestMtu);
        links.Raise(name, Links.IndexOf(bridge));
    }

    private string BridgeOf(string portGroup)
    {
        var known = record.Wanted;
        return known.FirstOrDefault(p => p.Name == portGroup) is { } found
            ? names.Bridge(found.Vni)
            : throw new FaultException(new NetworkNotAccessible(portGroup, hostName) { Offered = [.. known.Select(p => p.Name)] });
    }

    private void Build(Links links, ImmutableArray<PortGroupSpec> wanted)
    {
        if (wanted.IsEmpty)
            return;
        var built = new List<string>();
        try
        {
            var present = links.List();
            var uplink = uplinkName is null ? null : Uplink.Find(uplinkName, present);
            foreach (var portGroup in wanted)
                Build(links, present, portGroup, uplink, built);
        }
        catch
        {
            foreach (var name in built)
                links.Remove(name);
            throw;
        }
    }

    private void Build(Links links, IReadOnlyList<Link> present, PortGroupSpec portGroup, Uplink? uplink, List<string> built)
    {
        var bridge = names.Bridge(portGroup.Vni);
        var alias = names.AliasOf(portGroup);
        var mtu = uplink?.PortGroupMtu ?? CommandLine.GuestMtu;
        if (Own(present, bridge) is not { } found)
        {
            links.AddBridge(bridge, mtu);
            built.Add(bridge);
            links.Describe(bridge, alias, mtu);
            links.Raise(bridge, master: 0);
        }
        else if (found.Alias != alias || found.Mtu != mtu || !found.IsUp)
        {
            links.Describe(bridge, alias, mtu);
            links.Raise(bridge, master: 0);
        }

        Join(links, present, portGroup, uplink, built);
    }

    /// <summary>Brings the VXLAN device of a port group to what the uplink asks for: none, or one over it.</summary>
    private void Join(Links links, IReadOnlyList<Link> present, PortGroupSpec portGroup, Uplink? uplink, List<string> built)
    {
        var name = names.Vxlan(portGroup.Vni);
        var bridge = Links.IndexOf(names.Bridge(portGroup.Vni));
        var found = Own(present, name);
        if (found is not null && uplink is not null && found.Lower == uplink.Index && found.Master == bridge && found.IsUp)
            return;
        if (found is not null)
            links.Remove(name);
        if (uplink is null)
            return;
        links.AddVxlan(name, portGroup.Vni, DeviceNames.Group(portGroup.Vni), uplink.Index, uplink.PortGroupMtu);
        built.Add(name);
        links.Describe(name, names.AliasOf(portGroup), uplink.PortGroupMtu);
        links.Raise(name, bridge);
    }

    private Link? Own(IReadOnlyList<Link> present, string name)
    {
        if (present.FirstOrDefault(l => l.Name == name) is not { } link)
            return null;
        // Without an alias: this agent ended between making and describing it.
        return names.IsOurs(link) || link.Alias.Length == 0
            ? link
            : throw new FaultException(new HostOperationFailed($"Making the network device '{name}'", "another program has one of that name"));
    }

    private void RemoveUnwanted(Links links, bool report)
    {
        var wanted = record.Wanted.Select(p => names.Bridge(p.Vni)).ToHashSet();
        var present = links.List();
        foreach (var bridge in present.Where(l => names.IsBridge(l) && !wanted.Contains(l.Name)))
        {
            if (present.Where(l => l.Master == bridge.Index && l.Kind != "vxlan").ToArray() is not { Length: > 0 } users)
            {
                foreach (var vxlan in present.Where(l => l.Master == bridge.Index))
                    links.Remove(vxlan.Name);
                links.Remove(bridge.Name);
            }
            else if (report)
            {
                Report(bridge, users);
            }
        }
    }

    private void Report(Link bridge, Link[] users)
    {
        var (portGroup, name) = DeviceNames.PortGroupOf(bridge);
        var machines = string.Join(", ", users.Select(u => $"'{DeviceNames.MachineOf(u)}'").Distinct());
        record.Report(new HostEventRaised(
            "portgroup.in-use", portGroup,
            $"Port group '{name}' stays on host '{hostName}' until no running virtual machine uses it; now it is used by {machines}.",
            IsProblem: false));
    }

    private void RequireSound(ImmutableArray<PortGroupSpec> wanted)
    {
        foreach (var portGroup in wanted)
        {
            if (portGroup.Vni is < 1 or > MaxVni)
                throw new FaultException(new InvalidArgument($"Port group '{portGroup.Name}'", "its network identifier", portGroup.Vni.ToString(CultureInfo.InvariantCulture), $"1 to {MaxVni}"));
            if (wanted.FirstOrDefault(p => p != portGroup && p.Vni == portGroup.Vni) is { } same)
                throw new FaultException(new InvalidArgument($"Port group '{portGroup.Name}'", "its network identifier", $"{portGroup.Vni} like that of '{same.Name}'", "one of its own"));
            if (wanted.Any(p => p != portGroup && p.Name == portGroup.Name))
                throw new FaultException(new DuplicateName("port group", portGroup.Name, hostName));
        }
    }

    /// <summary>Turns what the kernel refuses into a fault.</summary>
    private static void Guard(string action, Action work)
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is NetlinkException or IOException or UnauthorizedAccessException)
        {
            throw new FaultException(new HostOperationFailed(action, e.Message), e);
        }
    }
}
