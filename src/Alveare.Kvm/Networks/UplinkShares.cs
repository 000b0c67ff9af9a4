using System.Collections.Immutable;
using System.Globalization;
using System.Net.NetworkInformation;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Networks;

/// <summary>A network card on a host's uplink.</summary>
/// <param name="Mac">Its address, by which its frames are known.</param>
/// <param name="Shares">What it weighs.</param>
/// <param name="Limit">The most bytes a second that it sends; null for any number.</param>
public readonly record struct UplinkCard(string Mac, double Shares, long? Limit);

/// <summary>Divides a host's uplink among the network cards of its running machines by their shares, once one of them is given any: without, the uplink is
/// left as the kernel has it.</summary>
/// <remarks>The kernel does it, frame by frame; here is only said what each card weighs, when cards come, go or change. A restarted agent does not
/// know what the last one has said, nor over which uplink, and says everything anew.</remarks>
/// <param name="uplink">Null for a host without one.</param>
/// <param name="speed">In Mbit/s; null for what the device says.</param>
public sealed class UplinkShares(string? uplink, int? speed)
{
    // What a device sends at its speed: a frame of 1,514 bytes takes 1,538 on the wire.
    private const double OfFrames = 0.98;
    private const long BytesOfMegabit = 1_000_000 / 8;

    private Ground? ground;
    private ImmutableArray<UplinkCard> inForce = [];
    private bool mayBeLeftOver = true;

    // Of each card by its address, and what each number was told last.
    private Dictionary<string, ushort> numbers = [];
    private Dictionary<ushort, UplinkPart> told = [];

    /// <summary>Divides anew among these cards, all that run; answers why that cannot be had, or null.</summary>
    /// <param name="isShared">Somebody has been given shares.</param>
    public string? Divide(ImmutableArray<UplinkCard> running, bool isShared)
    {
        try
        {
            if (uplink is null)
            {
                Lift();
                return isShared ? "this host has no uplink that its machines could share (--uplink)" : null;
            }

            if (!isShared)
            {
                Lift();
                return null;
            }

            if (Capacity(uplink) is not { } capacity)
            {
                Lift();
                return $"nobody says how fast the uplink '{uplink}' is: neither its device nor the agent's --uplink-speed";
            }

            // Two cards of one address are one to the uplink.
            Divide(uplink, new Ground(Links.IndexOf(uplink), capacity), [.. running.DistinctBy(n => n.Mac).OrderBy(n => n.Mac, StringComparer.Ordinal).Take(SharedQueue.LastCard - SharedQueue.FirstCard)]);
            return null;
        }
        catch (NetlinkException e)
        {
            // Whatever is half done is made anew the next time.
            (ground, mayBeLeftOver) = (null, true);
            return e.Error == NetlinkException.Exists
                ? $"the uplink '{uplink}' has a queue that was set by somebody else (tc qdisc show dev {uplink})"
                : e.Message;
        }
    }

    private void Divide(string name, Ground wanted, ImmutableArray<UplinkCard> nics)
    {
        var isNew = ground != wanted;
        if (!isNew && inForce.SequenceEqual(nics))
            return;
        // The last one is of cards that are not known: guests may send under other addresses than their cards'.
        var (host, machines, parts) = UplinkDivision.Divide(wanted.Capacity, [.. nics.Select(ClaimOf), new Claim(0, ShareScale.NormalNic)]);
        if (isNew)
            Lift();
        using var queue = new SharedQueue(wanted.Device, name, wanted.Capacity);
        if (isNew)
        {
            queue.Add(host, machines, parts[^1]);
            told = new() { [SharedQueue.Host] = host, [SharedQueue.Machines] = machines, [SharedQueue.Unknown] = parts[^1] };
        }

        Forget(queue, nics.Select(n => n.Mac).ToHashSet());
        Tell(queue, SharedQueue.Host, host);
        Tell(queue, SharedQueue.Machines, machines);
        Tell(queue, SharedQueue.Unknown, parts[^1]);
        foreach (var (nic, part) in nics.Zip(parts))
            Tell(queue, nic.Mac, part);
        (ground, inForce, mayBeLeftOver) = (wanted, nics, true);
    }

    private void Forget(SharedQueue queue, HashSet<string> present)
    {
        foreach (var (mac, number) in numbers.Where(n => !present.Contains(n.Key)).ToList())
        {
            queue.RemoveCard(number, PhysicalAddress.Parse(mac));
            numbers.Remove(mac);
            told.Remove(number);
        }
    }

    private void Tell(SharedQueue queue, string mac, UplinkPart part)
    {
        if (numbers.TryGetValue(mac, out var number))
        {
            Tell(queue, number, part);
            return;
        }

        number = SharedQueue.FirstCard;
        while (told.ContainsKey(number))
            number++;
        queue.AddCard(number, PhysicalAddress.Parse(mac), part);
        (numbers[mac], told[number]) = (number, part);
    }

    // With each card that comes the others have a little less: most are not told.
    private void Tell(SharedQueue queue, ushort number, UplinkPart part)
    {
        if (told[number].IsNear(part))
            return;
        queue.Set(number, part);
        told[number] = part;
    }

    private void Lift()
    {
        if (!mayBeLeftOver)
            return;
        (ground, numbers) = (null, []);
        SharedQueue.RemoveAll();
        mayBeLeftOver = false;
    }

    private static Claim ClaimOf(UplinkCard card) => new(0, card.Shares) { Limit = card.Limit ?? double.PositiveInfinity };

    private long? Capacity(string name) => speed is { } given
        ? given * BytesOfMegabit
        : SpeedOf(name) is { } said ? (long)(said * BytesOfMegabit * OfFrames) : null;

    /// <summary>In Mbit/s, as the driver says; null where it does not, as of most virtual machines' cards, and while there is no cable.</summary>
    private static int? SpeedOf(string name)
    {
        try
        {
            return int.TryParse(File.ReadAllText($"/sys/class/net/{name}/speed"), CultureInfo.InvariantCulture, out var speed) && speed > 0 ? speed : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <param name="Device">Where the queue is.</param>
    /// <param name="Capacity">The uplink's bytes a second.</param>
    private sealed record Ground(int Device, long Capacity);
}
