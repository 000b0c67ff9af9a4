using System.Text.RegularExpressions;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Qemu;

/// <summary>How a QEMU ended.</summary>
/// <param name="Status">Exit status as a shell gives it, or null when the shim was killed too and nobody knows.</param>
/// <param name="LastLines">The end of its log, oldest first.</param>
public sealed partial record QemuEnd(int? Status, IReadOnlyList<string> LastLines)
{
    private static readonly Dictionary<int, string> SignalNames = new()
    {
        [4] = "SIGILL", [6] = "SIGABRT", [7] = "SIGBUS", [9] = "SIGKILL", [11] = "SIGSEGV", [15] = "SIGTERM", [31] = "SIGSYS",
    };

    /// <summary>QEMU ended by itself and without complaint: the guest powered off, or it was told to quit.</summary>
    public bool IsClean => Status == 0;

    /// <summary>The signal that killed it, or null.</summary>
    public int? Signal => Status is > 128 and < 128 + 65 ? Status - 128 : null;

    /// <summary>The cause in words, for an event or fault; ends without a full stop.</summary>
    public string Describe(bool outOfMemory = false)
    {
        var how = (Status, Signal) switch
        {
            (null, _) => "it vanished without leaving an exit status",
            (_, 9) when outOfMemory => "the kernel killed it because its memory limit was reached (SIGKILL)",
            (_, { } signal) => $"it was killed by signal {signal}{(SignalNames.TryGetValue(signal, out var name) ? $" ({name})" : "")}",
            (0, _) => "it exited",
            ({ } status, _) => $"it exited with status {status}",
        };
        return LastLines.Count == 0 ? how : $"{how}; it last said: {string.Join(" / ", LastLines.Select(WithoutTimestamp))}";
    }

    /// <summary>The fault that fits what QEMU said when it did not start.</summary>
    public Fault ToFault(string machine)
    {
        foreach (var line in LastLines)
        {
            if (LockedImage().Match(line) is { Success: true } locked)
                return new FileLocked(locked.Groups["file"].Value, "another process has it open; a disk has one user at a time");
            if (MissingFile().Match(line) is { Success: true } missing)
                return new FileNotFoundFault(missing.Groups["file"].Value);
            if (NotQcow2().Match(line) is { Success: true } corrupt)
                return new FileCorrupt(FileOf(line), corrupt.Groups["reason"].Value);
        }

        return new MachineStartFailed(machine, Describe());
    }

    private static string FileOf(string line) => FileName().Match(line) is { Success: true } match ? match.Groups["file"].Value : "a disk of the machine";

    /// <summary>A line as QEMU writes it, without the time and program in front.</summary>
    private static string WithoutTimestamp(string line) => Prefix().Replace(line, "");

    [GeneratedRegex("""^(?:\S+T\S+Z )?(?:\S*qemu-system-\S+: )?""")]
    private static partial Regex Prefix();


    [GeneratedRegex("""(?:"filename":\s?"(?<file>[^"]+)".*)?Failed to get (?:shared )?"[a-z ]+" lock""")]
    private static partial Regex LockedImage();

    [GeneratedRegex("""Could not open '(?<file>[^']+)': No such file or directory""")]
    private static partial Regex MissingFile();

    [GeneratedRegex("""(?<reason>Image is not in qcow2 format|[^:]*[Cc]orrupt[^:]*|Unknown qcow2 version[^:]*|Could not read qcow2 header)""")]
    private static partial Regex NotQcow2();

    [GeneratedRegex("""'(?<file>/[^']+)'|"filename":\s?"(?<file>[^"]+)" """)]
    private static partial Regex FileName();
}
