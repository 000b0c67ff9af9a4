using System.Text;

namespace Alveare.HostLink.Trust;

/// <summary>Small files that are replaced as a whole: a reader, also one after a crash, sees the old content or the new one.</summary>
public static class StateFile
{
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Public = Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    public static void WriteSecret(string path, string content) => Write(path, content, Secret);

    public static void WritePublic(string path, string content) => Write(path, content, Public);

    /// <summary>Makes a directory that only its owner enters.</summary>
    public static void MakeDirectory(string path) => Directory.CreateDirectory(path, Secret | UnixFileMode.UserExecute);

    private static void Write(string path, string content, UnixFileMode mode)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Secret };
        using (var file = new FileStream(temporary, options))
        {
            file.Write(Encoding.UTF8.GetBytes(content));
            file.Flush(flushToDisk: true);
        }

        File.SetUnixFileMode(temporary, mode);
        File.Move(temporary, path, overwrite: true);
    }
}
