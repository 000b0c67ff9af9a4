using System.Security.Cryptography;
using System.Text;

namespace Alveare.Cli.Client;

/// <summary>Keeps the token of the last login per server and user, for its owner's eyes only, so that not every command has to log in.</summary>
/// <param name="directory">Made when it is needed.</param>
internal sealed class TokenCache(string directory)
{
    private const UnixFileMode OwnerReads = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public string? Find(Uri url, string user)
    {
        try
        {
            return File.ReadAllText(FileOf(url, user)).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Best effort: without a cache the next command logs in again.</summary>
    public void Keep(Uri url, string user, string token)
    {
        try
        {
            Directory.CreateDirectory(directory, OwnerReads | UnixFileMode.UserExecute);
            var file = FileOf(url, user);
            // Of the process, so that two commands at once do not write one file.
            var fresh = $"{file}.{Environment.ProcessId}";
            using (var stream = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = OwnerReads }))
                stream.Write(Encoding.ASCII.GetBytes(token));
            File.Move(fresh, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    public void Forget(Uri url, string user)
    {
        try
        {
            File.Delete(FileOf(url, user));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    private string FileOf(Uri url, string user) =>
        Path.Combine(directory, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{url}\n{user}")))[..32]);
}
