using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alveare.Lab.Programs;

/// <summary>Remembers one process over the end of the command that started it.</summary>
internal static partial class ProcessFile
{
    /// <summary>Null when there is no such file or it was cut off while being written: namespaces tell the rest at the end.</summary>
    public static ProcessIdentity? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), Json.Default.ProcessIdentity);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    public static void Write(string path, ProcessIdentity? process)
    {
        if (process is not null)
            File.WriteAllText(path, JsonSerializer.Serialize(process, Json.Default.ProcessIdentity));
    }

    [JsonSerializable(typeof(ProcessIdentity))]
    private sealed partial class Json : JsonSerializerContext;
}
