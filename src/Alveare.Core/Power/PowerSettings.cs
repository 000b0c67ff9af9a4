using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model.Clusters;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Planning.Power;
using Cluster = Alveare.Model.Inventory.Cluster;

namespace Alveare.Core.Power;

/// <summary>The operations that say how a host is woken, and how a cluster saves power.</summary>
internal sealed class PowerSettings(InventoryWriter inventory, IHostPower power, ControllerPasswords passwords, EventLog events)
{
    private const int FingerprintDigits = 64;

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<SetHostPower>(SetAsync);
        tasks.Handle<SetPowerSaving>(SaveAsync);
    }

    private async Task SaveAsync(SetPowerSaving asked, TaskContext context)
    {
        await inventory.ApplyAsync(now => InventoryEdit.Of(Changed(now.Get<Cluster>(asked.Target), asked)));
        if (inventory.Current.Find(asked.Target) is Cluster { PowerSaving.Mode: not PowerSavingMode.Off } cluster)
            WarnOf(inventory.Current.Children<Host>(cluster.Id), context);
    }

    /// <summary>Says which hosts could be woken and are never put to standby all the same. No fault: their agents may be given what they lack later.</summary>
    private void WarnOf(IEnumerable<Host> hosts, TaskContext context)
    {
        foreach (var host in hosts.Where(h => h is { CanBeWoken: true, PowerDownProblem: not null }))
            events.Add(EventSeverity.Warning, "power.stays-on", $"Host '{host.Name}' is never put to standby: {host.PowerDownProblem}.", host.Id, context.Session.User);
    }

    private static Cluster Changed(Cluster cluster, SetPowerSaving asked)
    {
        if (asked.Mode is { } mode && !Enum.IsDefined(mode))
            throw Wrong(cluster, "the mode", $"{(int)mode}", "off, manual or automatic");
        Require(cluster, "the time before a standby", asked.StandbyAfter);
        Require(cluster, "the time before a wake", asked.WakeAfter);
        var before = cluster.PowerSaving;
        var after = before with
        {
            Mode = asked.Mode ?? before.Mode,
            TargetPercent = asked.TargetPercent ?? before.TargetPercent,
            BandPercent = asked.BandPercent ?? before.BandPercent,
            LeastHosts = asked.LeastHosts ?? before.LeastHosts,
            KeepsSpare = asked.KeepsSpare ?? before.KeepsSpare,
            StandbyAfter = asked.StandbyAfter ?? before.StandbyAfter,
            WakeAfter = asked.WakeAfter ?? before.WakeAfter,
        };
        PowerTerms.Of(after, $"Cluster '{cluster.Name}'");
        return cluster with { PowerSaving = after };
    }

    private static void Require(Cluster cluster, string what, TimeSpan? given)
    {
        if (given < PowerSavingSettings.MinPatience || given > PowerSavingSettings.MaxPatience)
            throw Wrong(cluster, what, $"{given:c}", $"{PowerSavingSettings.MinPatience.TotalMinutes:0} minute to {PowerSavingSettings.MaxPatience.TotalHours:0} hours");
    }

    private static FaultException Wrong(Cluster cluster, string argument, string given, string expected) =>
        new(new InvalidArgument($"Cluster '{cluster.Name}'", argument, given, expected));

    private async Task SetAsync(SetHostPower asked, TaskContext context)
    {
        var host = inventory.Current.Get<Host>(asked.Target);
        if (asked is { WakeOnLan: not null, Redfish: not null })
            throw Wrong(host, "the way to wake it", "given twice", "Wake-on-LAN or a baseboard controller");
        if (asked is { Redfish: null, Password: not null })
            throw Wrong(host, "the password", "given without a baseboard controller", "one only with a controller");
        if (asked.WakeOnLan is { } card)
            Check(host, card);
        var controller = asked.Redfish is { } given ? Checked(host, given) : null;
        var password = asked.Password ?? (IsSame(controller, host.Redfish) ? passwords.Find(host.Id) : null);
        if (controller is not null)
        {
            context.Report(20, "Asking the baseboard controller");
            await power.CheckAsync(controller, password ?? throw Wrong(host, "the password", "missing", $"that of the controller's user '{controller.User}'"), context.Cancellation);
        }

        // The password first: a controller without one could not be used.
        await passwords.SetAsync(host.Id, controller is null ? null : password);
        await inventory.ApplyAsync(now => Edit(now.Get<Host>(host.Id), asked.WakeOnLan, controller));
        if (inventory.Current.Find(host.Id) is Host set)
            WarnOf([set], context);
    }

    // Whatever its address is now: what has another certificate is not to be shown the password.
    private static bool IsSame(Redfish? controller, Redfish? before) =>
        controller is not null && (controller.User, controller.Fingerprint) == (before?.User, before?.Fingerprint);

    private static InventoryEdit Edit(Host host, WakeOnLan? card, Redfish? controller) =>
        host.Standby is HostStandby.None || card is not null || controller is not null
            ? InventoryEdit.Of(host with { WakeOnLan = card, Redfish = controller, FailedWakes = 0 })
            : throw new FaultException(new InvalidState(host.Name, host.Standby.Words(), $"{HostStandby.None.Words()}, or nobody could wake it any more"));

    private static void Check(Host host, WakeOnLan card)
    {
        if (!WakePacket.IsMac(card.Mac))
            throw Wrong(host, "the MAC address", $"'{card.Mac}'", "that of one network card, such as 52:54:00:ab:cd:ef");
        if (!WakePacket.IsBroadcast(card.Broadcast))
            throw Wrong(host, "the broadcast address", $"'{card.Broadcast}'", $"an IPv4 address such as {WakeOnLan.EveryNeighbour} or 10.0.0.255");
    }

    private static Redfish Checked(Host host, Redfish controller)
    {
        if (!Uri.TryCreate(controller.Address, UriKind.Absolute, out var address) || address.Scheme != Uri.UriSchemeHttps
            || address.Query.Length > 0 || address.Fragment.Length > 0 || address.UserInfo.Length > 0)
        {
            throw Wrong(host, "the address of the baseboard controller", $"'{controller.Address}'", "https://ADDRESS, with the path of the system where the controller has several");
        }

        if (controller.User.Length is < 1 or > 255 || controller.User.Contains(':', StringComparison.Ordinal))
            throw Wrong(host, "the controller's user", $"'{controller.User}'", "a name of 1 to 255 characters without a colon");
        var digits = controller.Fingerprint.Replace(":", "", StringComparison.Ordinal).Trim().ToUpperInvariant();
        return digits.Length == FingerprintDigits && digits.All(char.IsAsciiHexDigit)
            ? controller with { Fingerprint = digits }
            : throw Wrong(host, "the fingerprint of the controller's certificate", $"'{controller.Fingerprint}'", "the 64 hexadecimal digits of its SHA-256");
    }

    private static FaultException Wrong(Host host, string argument, string given, string expected) =>
        new(new InvalidArgument($"Host '{host.Name}'", argument, given, expected));
}
