using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Alveare.Model;
using Alveare.Model.Faults;
using Google.Protobuf;

namespace Alveare.HostLink.Messages;

/// <summary>The model's records as bytes on the link: <see cref="ModelJson"/>, but a value that the record cannot be without must be there.</summary>
/// <remarks>The other end may be a stranger's program: a null where the type says there is none must end here, not deep in the engine.
/// Members with a default stay optional, so that neighbouring versions understand each other.</remarks>
internal static class LinkJson
{
    private static readonly JsonSerializerOptions Options = Create();

    public static ByteString Write<T>(T value) =>
        UnsafeByteOperations.UnsafeWrap(JsonSerializer.SerializeToUtf8Bytes(value, Options));

    /// <summary>Reads a record of the closed family <typeparamref name="T"/>.</summary>
    /// <param name="reader">Who reads, for the <see cref="Unsupported"/> fault when the record is not one of the family.</param>
    /// <param name="invalid">Makes the fault for anything else that is not a <typeparamref name="T"/>.</param>
    public static T Read<T>(ByteString json, string reader, Func<string, Fault> invalid)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json.Span, Options) ?? throw new JsonException("Null is not expected here.");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            var fault = UnknownRecord<T>(json) is { } unknown ? new Unsupported(reader, unknown) : invalid(Shortened(e.Message));
            throw new FaultException(fault, e);
        }
    }

    // The serializer reports an unknown discriminator like any other error: only a second look tells a newer peer from a broken one.
    private static string? UnknownRecord<T>(ByteString json)
    {
        if (typeof(T).GetCustomAttribute<JsonPolymorphicAttribute>()?.TypeDiscriminatorPropertyName is not { } discriminator)
            return null;
        try
        {
            using var document = JsonDocument.Parse(json.Memory);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty(discriminator, out var value)
                || value.ValueKind != JsonValueKind.String)
                return null;
            var name = value.GetString()!;
            var known = typeof(T).GetCustomAttributes<JsonDerivedTypeAttribute>().Any(d => Equals(d.TypeDiscriminator, name));
            return known ? null : $"the {discriminator} '{Shortened(name)}'";
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Shortened(string text) => text.Length <= 200 ? text.TrimEnd('.') : $"{text[..197]}...";

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(ModelJson.Options)
        {
            RespectNullableAnnotations = true,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { RequireWhatHasNoDefault } },
        };
        options.MakeReadOnly();
        return options;
    }

    // Not RespectRequiredConstructorParameters: that also demands nullable parameters, which are left out when they are null.
    private static void RequireWhatHasNoDefault(JsonTypeInfo type)
    {
        foreach (var property in type.Properties)
        {
            if (property.AssociatedParameter is { HasDefaultValue: false, IsNullable: false, IsMemberInitializer: false })
                property.IsRequired = true;
        }
    }
}
