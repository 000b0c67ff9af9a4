using System.Globalization;

namespace Alveare.Kvm.Qemu;

/// <summary>The directory of one running QEMU under the agent's state: its sockets, its process id, and how it ended.</summary>
/// <remarks>Everything a restarted agent needs to find the process again is here, so it is made before the process and removed after it.</remarks>
public sealed class RunDirectory(string root, Guid machine)
{
    /// <summary>A unix socket's path has at most 107 bytes (<c>sun_path</c>); the longest name below is taken off.</summary>
    public const int MaxRootLength = 107 - 33 - 12;

    public Guid Machine { get; } = machine;

    public string Path { get; } = System.IO.Path.Combine(root, machine.ToString("N"));

    /// <summary>QEMU's control socket.</summary>
    public string Qmp => In("qmp.sock");

    public string Serial => In("serial.sock");

    public string Vnc => In("vnc.sock");

    public string GuestAgent => In("agent.sock");

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

    /// <summary>Makes the directory empty and lets only root and QEMU's user in.</summary>
    public void Create(QemuUser user)
    {
        Remove();
        Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        user.Own(Path);
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
            Directory.Delete(Path, recursive: true);
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
