using System.Text.Json;

namespace Alveare.Planning.Snapshots;

/// <summary>Lists of texts in JSON that is written token by token.</summary>
internal static class JsonTexts
{
    public static void WriteTexts(this Utf8JsonWriter writer, string name, IEnumerable<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts)
            writer.WriteStringValue(text);
        writer.WriteEndArray();
    }
}
