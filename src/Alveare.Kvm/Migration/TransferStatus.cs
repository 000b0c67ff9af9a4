using System.Collections.Immutable;
using System.Text.Json;
using Alveare.Model;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Migration;

/// <summary>What QEMU's <c>query-migrate</c> says, at either end.</summary>
public sealed record TransferStatus
{
    /// <summary>QEMU's word; <c>none</c> before the first migration.</summary>
    public required string Status { get; init; }

    public Bytes Total { get; init; }

    public Bytes Transferred { get; init; }

    public Bytes Remaining { get; init; }

    public double BytesPerSecond { get; init; }

    public double DirtyBytesPerSecond { get; init; }

    public TimeSpan TotalTime { get; init; }

    /// <summary>How long the guest stood still, as the source measured it.</summary>
    public TimeSpan Pause { get; init; }

    public string? Error { get; init; }

    /// <summary>What is in the way of any migration of this machine, in QEMU's words.</summary>
    public ImmutableArray<string> Blockers { get; init; } = [];

    /// <summary>The port that an incoming QEMU listens on.</summary>
    public int? ListenPort { get; init; }

    public bool IsCompleted => Status == "completed";

    public bool HasFailed => Status is "failed" or "cancelled";

    /// <summary>QEMU is done, one way or the other, or has not begun.</summary>
    public bool IsAtRest => IsCompleted || HasFailed || Status == "none";

    public static TransferStatus Parse(JsonElement answer)
    {
        var ram = answer.TryGetProperty("ram", out var memory) ? memory : default;
        return new TransferStatus
        {
            // A QEMU that never migrated answers an empty object.
            Status = answer.TryGetProperty("status", out var status) ? status.GetString() ?? "none" : "none",
            Total = new Bytes(Number(ram, "total")),
            Transferred = new Bytes(Number(ram, "transferred")),
            Remaining = new Bytes(Number(ram, "remaining")),
            BytesPerSecond = Real(ram, "mbps") * 1e6 / 8,
            DirtyBytesPerSecond = (double)Number(ram, "dirty-pages-rate") * Number(ram, "page-size"),
            TotalTime = TimeSpan.FromMilliseconds(Number(answer, "total-time")),
            Pause = TimeSpan.FromMilliseconds(Number(answer, "downtime")),
            Error = answer.TryGetProperty("error-desc", out var error) ? error.GetString() : null,
            Blockers = answer.TryGetProperty("blocked-reasons", out var blockers) ? [.. blockers.EnumerateArray().Select(b => b.GetString() ?? "")] : [],
            ListenPort = Port(answer),
        };
    }

    public MigrationProgress ToProgress(MigrationPhase phase) =>
        new(phase, Total, Transferred, Remaining, BytesPerSecond, DirtyBytesPerSecond);

    private static long Number(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) ? number : 0;

    private static double Real(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) && value.TryGetDouble(out var number) ? number : 0;

    private static int? Port(JsonElement answer)
    {
        if (!answer.TryGetProperty("socket-address", out var addresses))
            return null;
        foreach (var address in addresses.EnumerateArray())
        {
            if (address.TryGetProperty("port", out var port) && int.TryParse(port.GetString(), out var number))
                return number;
        }

        return null;
    }
}
