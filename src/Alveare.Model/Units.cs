using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alveare.Model;

/// <summary>A size of memory or disk in bytes.</summary>
[JsonConverter(typeof(BytesJsonConverter))]
public readonly record struct Bytes(long Value) : IComparable<Bytes>
{
    public static readonly Bytes Zero;

    public static Bytes FromMib(long mib) => new(checked(mib * 1024 * 1024));

    public static Bytes FromGib(long gib) => new(checked(gib * 1024 * 1024 * 1024));

    /// <summary>Whole mebibytes, rounded down.</summary>
    public long Mib => Value / (1024 * 1024);

    /// <summary>In mebibytes, with what is left of one: what planning calls MB.</summary>
    public double Mb => Value / (1024.0 * 1024);

    public static Bytes operator +(Bytes left, Bytes right) => new(checked(left.Value + right.Value));

    public static Bytes operator -(Bytes left, Bytes right) => new(checked(left.Value - right.Value));

    public static bool operator <(Bytes left, Bytes right) => left.Value < right.Value;

    public static bool operator >(Bytes left, Bytes right) => left.Value > right.Value;

    public static bool operator <=(Bytes left, Bytes right) => left.Value <= right.Value;

    public static bool operator >=(Bytes left, Bytes right) => left.Value >= right.Value;

    public int CompareTo(Bytes other) => Value.CompareTo(other.Value);

    /// <summary>For faults, where a rounded number would not show what is wrong: as <see cref="ToString"/>, and with the number of bytes unless the unit is whole.</summary>
    public string Exactly
    {
        get
        {
            var unit = 1L;
            while (Math.Abs((double)Value) >= unit * 1024.0 && unit < 1L << 50)
                unit *= 1024;
            return Value % unit == 0 ? ToString() : string.Create(CultureInfo.InvariantCulture, $"{ToString()} ({Value} bytes)");
        }
    }

    /// <summary>For people: the largest binary unit that keeps the number at 1 or more, one decimal where it is not whole.</summary>
    public override string ToString()
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        var (value, unit) = ((double)Value, 0);
        while (Math.Abs(value) >= 1024 && unit < units.Length - 1)
            (value, unit) = (value / 1024, unit + 1);
        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#} {units[unit]}");
    }
}

/// <summary>Writes <see cref="Bytes"/> as a plain number of bytes.</summary>
public sealed class BytesJsonConverter : JsonConverter<Bytes>
{
    public override Bytes Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, Bytes value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}

/// <summary>A CPU capacity or demand in megahertz: cores × clock.</summary>
[JsonConverter(typeof(MegahertzJsonConverter))]
public readonly record struct Megahertz(long Value) : IComparable<Megahertz>
{
    public static readonly Megahertz Zero;

    public static Megahertz operator +(Megahertz left, Megahertz right) => new(left.Value + right.Value);

    public static Megahertz operator -(Megahertz left, Megahertz right) => new(left.Value - right.Value);

    public static bool operator <(Megahertz left, Megahertz right) => left.Value < right.Value;

    public static bool operator >(Megahertz left, Megahertz right) => left.Value > right.Value;

    public static bool operator <=(Megahertz left, Megahertz right) => left.Value <= right.Value;

    public static bool operator >=(Megahertz left, Megahertz right) => left.Value >= right.Value;

    public int CompareTo(Megahertz other) => Value.CompareTo(other.Value);

    public override string ToString() => $"{Value} MHz";
}

/// <summary>Writes <see cref="Megahertz"/> as a plain number.</summary>
public sealed class MegahertzJsonConverter : JsonConverter<Megahertz>
{
    public override Megahertz Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, Megahertz value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}
