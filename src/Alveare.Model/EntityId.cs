using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alveare.Model;

/// <summary>The kinds of object an inventory holds.</summary>
public enum EntityKind
{
    Root,
    Datacenter,
    Folder,
    Cluster,
    Host,
    VirtualMachine,
    Datastore,
    PortGroup,
    ResourcePool,
}

/// <summary>The identity of one inventory object, for its whole life: a kind and a UUID, written <c>vm-0f3c…</c>.</summary>
/// <remarks>A virtual machine's UUID is the one in its <c>.vmx</c>, a datastore's the one in its marker file, so every host
/// that sees the files reports the same identity without asking a center.</remarks>
[JsonConverter(typeof(EntityIdJsonConverter))]
public readonly record struct EntityId(EntityKind Kind, Guid Uuid) : IComparable<EntityId>
{
    private static readonly string[] Prefixes = ["root", "dc", "folder", "cluster", "host", "vm", "ds", "pg", "pool"];

    /// <summary>The one object that has no parent.</summary>
    public static readonly EntityId Root = new(EntityKind.Root, Guid.Empty);

    public static EntityId Vm(Guid uuid) => new(EntityKind.VirtualMachine, uuid);

    public static EntityId Host(Guid uuid) => new(EntityKind.Host, uuid);

    public static EntityId Datastore(Guid uuid) => new(EntityKind.Datastore, uuid);

    /// <summary>A regular expression of the form that <see cref="ToString"/> writes.</summary>
    public static string Pattern { get; } = $"^({Prefixes[0]}|({string.Join('|', Prefixes[1..])})-[0-9a-f]{{32}})$";

    public int CompareTo(EntityId other) =>
        Kind != other.Kind ? Kind.CompareTo(other.Kind) : Uuid.CompareTo(other.Uuid);

    public static bool operator <(EntityId left, EntityId right) => left.CompareTo(right) < 0;

    public static bool operator >(EntityId left, EntityId right) => left.CompareTo(right) > 0;

    public static bool operator <=(EntityId left, EntityId right) => left.CompareTo(right) <= 0;

    public static bool operator >=(EntityId left, EntityId right) => left.CompareTo(right) >= 0;

    /// <summary>Reads the form that <see cref="ToString"/> writes; false for anything else.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out EntityId id)
    {
        id = default;
        if (text is null)
            return false;
        if (text == "root")
        {
            id = Root;
            return true;
        }

        var dash = text.IndexOf('-', StringComparison.Ordinal);
        if (dash < 0)
            return false;
        var kind = Array.IndexOf(Prefixes, text[..dash]);
        if (kind <= 0 || !Guid.TryParseExact(text.AsSpan(dash + 1), "N", out var uuid))
            return false;
        id = new EntityId((EntityKind)kind, uuid);
        return true;
    }

    /// <summary>As <see cref="TryParse"/>; throws <see cref="FormatException"/> for anything else.</summary>
    public static EntityId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not an object id: expected a form like 'vm-' and 32 hexadecimal digits.");

    public override string ToString() => Kind == EntityKind.Root ? "root" : $"{Prefixes[(int)Kind]}-{Uuid:N}";
}

/// <summary>Writes an <see cref="EntityId"/> as its text form, also as a dictionary key.</summary>
public sealed class EntityIdJsonConverter : JsonConverter<EntityId>
{
    public override EntityId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        EntityId.TryParse(reader.GetString(), out var id) ? id : throw new JsonException("Not an object id.");

    public override void Write(Utf8JsonWriter writer, EntityId value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());

    public override EntityId ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Read(ref reader, typeToConvert, options);

    public override void WriteAsPropertyName(Utf8JsonWriter writer, EntityId value, JsonSerializerOptions options) =>
        writer.WritePropertyName(value.ToString());
}
