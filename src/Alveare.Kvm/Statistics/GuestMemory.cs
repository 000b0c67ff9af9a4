using System.Text.Json;
using Alveare.Kvm.Qmp;
using Alveare.Model;

namespace Alveare.Kvm.Statistics;

/// <summary>What a guest says of its own memory through its balloon driver, and the estimate of active memory made from it.</summary>
/// <remarks>Active is what the guest cannot give back at once: its memory without what it calls available (free, or cache that it can drop).
/// That is more than it touches in an interval, since memory a program has and does not use counts too, and never more than the host has
/// resident for it. A guest without a driver is taken to use all that is resident. The kernel's own record of touched pages would be nearer, but
/// idle page tracking is not in every kernel, and clearing accessed bits costs a walk through the page tables of every machine.</remarks>
internal static class GuestMemory
{
    private const string Balloon = "/machine/peripheral/balloon";

    /// <summary>Has QEMU ask the guest from now on.</summary>
    public static Task BeginAsync(QmpConnection qmp, TimeSpan interval, TimeSpan timeout) =>
        qmp.ExecuteAsync(
            "qom-set", new { path = Balloon, property = "guest-stats-polling-interval", value = (int)interval.TotalSeconds }, timeout);

    /// <summary>The last that the guest said, or null when it says nothing.</summary>
    public static async Task<Bytes?> ReadInUseAsync(QmpConnection qmp, TimeSpan timeout) =>
        Parse(await qmp.ExecuteAsync("qom-get", new { path = Balloon, property = "guest-stats" }, timeout));

    /// <summary>Reads what the property <c>guest-stats</c> holds.</summary>
    public static Bytes? Parse(JsonElement guestStats)
    {
        if (!guestStats.TryGetProperty("stats", out var stats) || Number(stats, "stat-total-memory") is not { } total)
            return null;
        // Guests older than Linux 4.6 know no "available".
        return (Number(stats, "stat-available-memory") ?? Number(stats, "stat-free-memory")) is { } available
            ? new Bytes(Math.Max(0, total - available))
            : null;
    }

    public static Bytes Active(Bytes consumed, Bytes? inUse) => inUse is { } used && used.Value < consumed.Value ? used : consumed;

    // What the guest has not said is all ones.
    private static long? Number(JsonElement stats, string name) =>
        stats.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) && number >= 0 ? number : null;
}
