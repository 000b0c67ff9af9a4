using System.Text;
using System.Text.Json;

namespace Alveare.Cli.Output;

/// <summary>A record of the server as indented <c>name: value</c> lines, sizes, rates and parts of a hundred in human units.</summary>
public static class RecordView
{
    private static readonly string[] Sizes = ["memory", "memoryReserved", "memoryForGuests", "memoryUsed", "memoryConsumed", "memoryActive", "memoryBallooned", "capacity", "free", "transferred", "total", "remaining", "burst"];
    private static readonly string[] Rates = ["bandwidthLimit", "average", "peak", "outLimit", "inLimit"];

    public static string Format(JsonElement record)
    {
        var text = new StringBuilder();
        Append(text, record, 0);
        return text.ToString();
    }

    /// <param name="of">The name of the member that holds it.</param>
    private static void Append(StringBuilder text, JsonElement record, int depth, string of = "")
    {
        foreach (var member in record.EnumerateObject())
        {
            text.Append(' ', depth * 2).Append(member.Name).Append(':');
            switch (member.Value.ValueKind)
            {
                case JsonValueKind.Object:
                    text.Append('\n');
                    Append(text, member.Value, depth + 1, member.Name);
                    break;
                case JsonValueKind.Array:
                    AppendItems(text, member.Value, depth + 1);
                    break;
                default:
                    text.Append(' ').Append(Shown(of, member.Name, member.Value)).Append('\n');
                    break;
            }
        }
    }

    private static void AppendItems(StringBuilder text, JsonElement items, int depth)
    {
        if (items.EnumerateArray().All(i => i.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)))
        {
            text.Append(' ').AppendJoin(", ", items.EnumerateArray().Select(i => Shown("", "", i))).Append('\n');
            return;
        }

        text.Append('\n');
        foreach (var item in items.EnumerateArray())
        {
            var inner = new StringBuilder();
            Append(inner, item, depth + 1);
            // The first line of an item carries its dash.
            text.Append(' ', depth * 2).Append("- ").Append(inner.ToString().AsSpan((depth + 1) * 2));
        }
    }

    private static string Shown(string of, string name, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number)
            return Number(of, name, value);
        return value.ValueKind == JsonValueKind.String
            ? string.Concat(value.GetString()!.Select(c => char.IsControl(c) ? ' ' : c))
            : value.GetRawText();
    }

    private static string Number(string of, string name, JsonElement value)
    {
        if (name.EndsWith("BytesPerSecond", StringComparison.OrdinalIgnoreCase) || Rates.Contains(name))
            return Amounts.Rate(value.GetDouble());
        if (name.EndsWith("Percent", StringComparison.OrdinalIgnoreCase))
            return Amounts.Percent(value.GetDouble());
        // What is promised and what is held to say what of by what they are in.
        var isControl = name is "reservation" or "limit";
        if (name == "cpuClock" || (isControl && of == "cpu"))
            return $"{value.GetRawText()} MHz";
        return (Sizes.Contains(name) || (isControl && of == "memory")) && value.TryGetInt64(out var bytes) ? Amounts.Size(bytes) : value.GetRawText();
    }
}
