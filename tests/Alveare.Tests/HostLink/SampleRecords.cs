using System.Collections.Immutable;
using System.Reflection;
using System.Text.Json.Serialization;
using Alveare.Model;

namespace Alveare.Tests.HostLink;

/// <summary>Makes a filled instance of any record of the model, so that a new record is tested without anybody remembering to.</summary>
internal static class SampleRecords
{
    /// <summary>One instance of every record of a closed family.</summary>
    public static IEnumerable<T> OfFamily<T>() =>
        typeof(T).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(d => (T)Of(d.DerivedType));

    /// <summary>The concrete types that derive from <typeparamref name="T"/>, declared or not.</summary>
    public static IEnumerable<Type> Derived<T>() => typeof(T).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(T)) && !t.IsAbstract);

    private static object Of(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return Of(inner);
        if (type.IsEnum)
            return Enum.GetValues(type).GetValue(Enum.GetValues(type).Length - 1)!;
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ImmutableArray<>))
            return ArrayOf(type.GetGenericArguments()[0]);
        if (type.IsAbstract)
            return Of(type.GetCustomAttributes<JsonDerivedTypeAttribute>().First().DerivedType);
        return Simple(type) ?? Record(type);
    }

    private static object? Simple(Type type) =>
        type == typeof(string) ? "näme/1"
        : type == typeof(bool) ? true
        : type == typeof(int) ? 7
        : type == typeof(long) ? 1L << 40
        : type == typeof(double) ? 12.5
        : type == typeof(Guid) ? new Guid("11223344-5566-7788-99aa-bbccddeeff00")
        : type == typeof(TimeSpan) ? TimeSpan.FromMilliseconds(1234)
        : type == typeof(DateTimeOffset) ? new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero)
        : type == typeof(EntityId) ? EntityId.Vm(new Guid("11223344-5566-7788-99aa-bbccddeeff00"))
        : type == typeof(Bytes) ? Bytes.FromMib(3)
        : type == typeof(Megahertz) ? new Megahertz(2400)
        : null;

    private static object ArrayOf(Type element)
    {
        var values = Array.CreateInstance(element, 2);
        values.SetValue(Of(element), 0);
        values.SetValue(Of(element), 1);
        return typeof(ImmutableArray).GetMethods()
            .Single(m => m.Name == nameof(ImmutableArray.Create) && m.GetParameters() is [{ ParameterType.IsArray: true }])
            .MakeGenericMethod(element)
            .Invoke(null, [values])!;
    }

    private static object Record(Type type)
    {
        var constructor = type.GetConstructors().MaxBy(c => c.GetParameters().Length)!;
        var made = constructor.Invoke([.. constructor.GetParameters().Select(p => Of(p.ParameterType))]);
        foreach (var property in type.GetProperties().Where(p => p.CanWrite))
            property.SetValue(made, Of(property.PropertyType));
        return made;
    }
}
