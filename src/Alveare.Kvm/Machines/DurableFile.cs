using Alveare.Model;

namespace Alveare.Kvm.Machines;

/// <summary>Small JSON files that are there whole, in the old or the new version, whatever ends in the middle of a write.</summary>
internal static class DurableFile
{
    /// <summary>Replaces the file: written beside it, renamed over it. With <paramref name="flush"/> it also survives a loss of power;
    /// a run's record need not, because the run does not either.</summary>
    public static void Write<T>(string path, T content, bool flush)
    {
        var temporary = path + ".new";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Write(ModelJson.WriteBytes(content));
            file.Flush(flush);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>The content, or null when there is no file.</summary>
    public static T? Read<T>(string path)
        where T : class
    {
        try
        {
            return ModelJson.Read<T>(File.ReadAllBytes(path));
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
    }
}
