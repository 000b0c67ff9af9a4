using System.Text.Json;

namespace Alveare.Kvm.Qmp;

/// <summary>One event that QEMU sent.</summary>
/// <param name="Name">QEMU's name, such as <c>SHUTDOWN</c>.</param>
/// <param name="Data">Its data; an undefined element when it has none.</param>
public sealed record QmpEvent(string Name, JsonElement Data)
{
    /// <summary>A string member of the data, or null.</summary>
    public string? Text(string member) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    /// <summary>An integer member of the data, or null.</summary>
    public long? Number(string member) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(member, out var value) && value.TryGetInt64(out var number) ? number : null;

    /// <summary>A boolean member of the data; false when it is missing.</summary>
    public bool Flag(string member) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.True;
}
