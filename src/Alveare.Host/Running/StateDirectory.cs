namespace Alveare.Running;

/// <summary>The directory of one program's state, held against a second copy of the program until disposed.</summary>
internal sealed class StateDirectory : IDisposable
{
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FileStream _lock;

    private StateDirectory(string path, FileStream hold) => (Path, _lock) = (path, hold);

    public string Path { get; }

    /// <summary>Makes the directory if need be and takes it. Throws <see cref="ProgramError"/> when another copy has it.</summary>
    /// <param name="isEntered">Whether other users' processes (QEMU) reach files below it; they cannot list it either way.</param>
    public static StateDirectory Take(string path, bool isEntered)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(full);
            System.IO.File.SetUnixFileMode(full, isEntered ? Own | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute : Own);
            // The runtime takes flock(2) for FileShare.None: the kernel lets go of it however the program ends.
            var file = System.IO.Path.Combine(full, "program.lock");
            return new StateDirectory(full, new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ProgramError($"The state directory {full} cannot be used: {e.Message}", e);
        }
        catch (IOException e) when (Directory.Exists(full))
        {
            throw new ProgramError($"The state directory {full} is in use by another copy of this program; give each its own.", e);
        }
        catch (IOException e)
        {
            throw new ProgramError($"The state directory {full} cannot be made: {e.Message}", e);
        }
    }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => _lock.Dispose();
}
