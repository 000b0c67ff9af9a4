using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Networks;

/// <summary>Holds the network cards of running machines to their limits, by queues before and behind their taps.</summary>
/// <remarks>The host sends to the guest by the tap, so that a queue there limits what the guest is sent. What the guest sends comes in by the tap,
/// where the kernel queues nothing: it is sent through an intermediate device (ifb) whose queue limits it and which gives it back to the tap.
/// A card without limits has neither. The devices are the record of what is in force; they end with the tap.</remarks>
public sealed class TapShaping(EntityId host)
{
    // Below it the queue's own grain shows: a frame with what the kernel counts around it must fit.
    private const long LeastBurst = 32 * 1024;

    // Two frames and something.
    private const long LeastPeakBurst = 4 * 1024;

    private readonly DeviceNames names = new(host);

    /// <summary>Brings the queues of a machine's taps to what its cards, in the same order, are held to; answers why that cannot be had, or null.</summary>
    public string? Apply(ImmutableArray<NicControl> nics, ImmutableArray<string> taps)
    {
        try
        {
            using var links = new Links();
            using var control = new TrafficControl();
            for (var nic = 0; nic < Math.Min(taps.Length, nics.Length); nic++)
            {
                LimitIn(control, taps[nic], nics[nic].In);
                LimitOut(links, control, taps[nic], nics[nic].Out);
            }

            return null;
        }
        catch (NetlinkException e)
        {
            return e.Message;
        }
    }

    /// <summary>The queue of a limit.</summary>
    internal static TokenBucket BucketOf(TrafficShaping shaping)
    {
        var burst = shaping.Burst?.Value ?? Math.Clamp(shaping.Average.Value / 20, LeastBurst, MachineLimits.MaxBurst.Value);
        // The kernel wants a peak to be more than the average.
        var peak = shaping.Peak is { } most ? Math.Max(most.Value, shaping.Average.Value + 1) : 0;
        return new TokenBucket(
            shaping.Average.Value,
            (uint)burst,
            peak,
            // A few milliseconds of it.
            (uint)Math.Clamp(peak / 250, LeastPeakBurst, burst),
            (uint)Math.Min(burst + TrafficControl.QueueFor(shaping.Average.Value), int.MaxValue));
    }

    private static void LimitIn(TrafficControl control, string tap, TrafficShaping? shaping)
    {
        var device = Links.IndexOf(tap);
        if (shaping is null)
            control.RemoveTokenBucket(device, $"lifting the limit of what '{tap}' sends to the guest");
        else
            control.SetTokenBucket(device, BucketOf(shaping), $"limiting what '{tap}' sends to the guest");
    }

    private void LimitOut(Links links, TrafficControl control, string tap, TrafficShaping? shaping)
    {
        var device = Links.IndexOf(tap);
        var through = DeviceNames.IfbOf(tap);
        if (shaping is null)
        {
            control.RemoveIngress(device, $"lifting the limit of what '{tap}' takes from the guest");
            links.Remove(through);
            return;
        }

        if (!Links.Exists(through))
            links.AddIfb(through);
        links.Describe(through, names.AliasOfIfb(tap), mtu: null);
        links.Raise(through, master: 0);
        var action = $"limiting what '{tap}' takes from the guest";
        control.SetTokenBucket(Links.IndexOf(through), BucketOf(shaping), action);
        control.RedirectIngress(device, Links.IndexOf(through), action);
    }
}
