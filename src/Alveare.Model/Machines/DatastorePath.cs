namespace Alveare.Model.Machines;

/// <summary>A file or directory in a datastore: <c>[name] dir/file</c> for people, a datastore id and a relative path for machines.</summary>
/// <param name="Path">Relative, '/'-separated, no empty, '.' or '..' segments; the host refuses symbolic links that leave the datastore.</param>
public sealed record DatastorePath(EntityId Datastore, string Path)
{
    /// <summary>The directory part, or "" at the datastore's root.</summary>
    public string Directory => Path.LastIndexOf('/') is var slash and >= 0 ? Path[..slash] : "";

    /// <summary>The last segment.</summary>
    public string FileName => Path[(Path.LastIndexOf('/') + 1)..];

    public DatastorePath Sibling(string fileName) => this with { Path = Directory.Length == 0 ? fileName : $"{Directory}/{fileName}" };

    /// <summary>Why <paramref name="path"/> is not a legal relative path, or null when it is.</summary>
    public static string? WhyIllegal(string path)
    {
        if (path.Length is 0 or > 1024)
            return "it must have 1 to 1024 characters";
        if (path[0] == '/')
            return "it must be relative to the datastore";
        foreach (var segment in path.Split('/'))
        {
            if (segment is "" or "." or "..")
                return "it must not have empty, '.' or '..' segments";
            if (segment.Any(c => char.IsControl(c) || c == '\\'))
                return "it must not have control characters or backslashes";
        }

        return null;
    }

    public override string ToString() => $"[{Datastore}] {Path}";
}
