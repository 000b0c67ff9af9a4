using System.Globalization;
using System.Runtime.InteropServices;

namespace Alveare.Kvm.Qemu;

/// <summary>The directory of one running QEMU under the agent's state: its sockets, its process id, and how it ended.</summary>
/// <remarks>Everything a restarted agent needs to find the process again is here, so it is made before the process and removed after it. It is root's,
/// but for the directory of the sockets, where QEMU makes them: a QEMU that was broken out of puts links where its user may write, and root would
/// read and write through them. So root has no file there.</remarks>
public sealed class RunDirectory(string root, Guid machine)
{
    /// <summary>A unix socket's path has at most 107 bytes (<c>sun_path</c>); the longest name below is taken off.</summary>
    public const int MaxRootLength = 107 - 33 - 2 - 12;

    private const UnixFileMode OwnersAlone = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public Guid Machine { get; } = machine;

    public string Path { get; } = System.IO.Path.Combine(root, machine.ToString("N"));

    /// <summary>Where QEMU makes its sockets: the one place that its user may write to.</summary>
    public string Sockets => In("s");

    /// <summary>QEMU's control socket.</summary>
    public string Qmp => System.IO.Path.Combine(Sockets, "qmp.sock");

    public string Serial => System.IO.Path.Combine(Sockets, "serial.sock");

    public string Vnc => System.IO.Path.Combine(Sockets, "vnc.sock");

    public string GuestAgent => System.IO.Path.Combine(Sockets, "agent.sock");

    /// <summary>What QEMU and the shim print.</summary>
    public string Log => In("qemu.log");

    /// <summary>What the agent must remember of this run; see <c>RunRecord</c>.</summary>
    public string Record => In("run.json");

    /// <summary>Directory with the key of an encrypted migration.</summary>
    public string Keys => In("tls");

    public bool Exists => Directory.Exists(Path);

    /// <summary>A shim has taken the start of this run's QEMU upon itself, as the only one.</summary>
    public bool HasBegun => File.Exists(PidFile);

    private string PidFile => In("pid");

    private string ExitFile => In("exit");

    /// <summary>The run directories below <paramref name="root"/>; other things there are ignored.</summary>
    public static IEnumerable<RunDirectory> FindAll(string root)
    {
        if (!Directory.Exists(root))
            yield break;
        foreach (var path in Directory.EnumerateDirectories(root))
        {
            if (Guid.TryParseExact(System.IO.Path.GetFileName(path), "N", out var machine))
                yield return new RunDirectory(root, machine);
        }
    }

    /// <summary>Makes the directory empty; QEMU's user passes through it to its sockets.</summary>
    public void Create(QemuUser user)
    {
        Remove();
        Directory.CreateDirectory(Path, OwnersAlone | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        Directory.CreateDirectory(Sockets, OwnersAlone);
        user.Own(Sockets);
    }

    /// <summary>Removes what a QEMU that has ended left there, for another one.</summary>
    public void Forget()
    {
        foreach (var path in (string[])[Qmp, PidFile, ExitFile])
            File.Delete(path);
    }

    public void Remove()
    {
        if (!Exists)
            return;
        try
        {
            Remove(Path);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody else was faster.
        }
    }

    /// <summary>The process id that the shim wrote, or null while there is none.</summary>
    public int? ReadPid() => ReadNumber(PidFile);

    /// <summary>The exit status that the shim wrote, as a shell gives it (128 + signal for a killed process), or null while it runs.</summary>
    public int? ReadExitStatus() => ReadNumber(ExitFile);

    /// <summary>The last lines of the log, oldest first.</summary>
    public IReadOnlyList<string> LastLines(int count)
    {
        try
        {
            using var file = new FileStream(Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Seek(-Math.Min(file.Length, 16 * 1024), SeekOrigin.End);
            using var reader = new StreamReader(file);
            var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return lines.TakeLast(count).ToArray();
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>Removes a directory with all that is in it, taking each from QEMU's user before it is looked into: nobody can then put a link into the
    /// place of what was seen to be a directory.</summary>
    private static void Remove(string directory)
    {
        if (Native.LChown(directory, Native.UserId(), uint.MaxValue) != 0 && Marshal.GetLastPInvokeError() is var error)
        {
            throw Directory.Exists(directory)
                ? new IOException($"Taking '{directory}' back failed: {Marshal.GetPInvokeErrorMessage(error)}")
                : new DirectoryNotFoundException(directory);
        }

        File.SetUnixFileMode(directory, OwnersAlone);
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            if ((entry.Attributes & (FileAttributes.Directory | FileAttributes.ReparsePoint)) == FileAttributes.Directory)
                Remove(entry.FullName);
            else
                File.Delete(entry.FullName);
        }

        Directory.Delete(directory);
    }

    private static int? ReadNumber(string path)
    {
        // It is looked for every millisecond: an exception each time would cost more than the look.
        if (!File.Exists(path))
            return null;
        try
        {
            // The shim's write is not atomic; only a finished line counts.
            var text = File.ReadAllText(path);
            return text.EndsWith('\n') && int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
