using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Alveare.Kvm.Qemu;

/// <summary>The unprivileged user that every QEMU runs as.</summary>
/// <param name="ExtraGroups">Further groups, such as the one that may open <c>/dev/kvm</c>.</param>
public sealed record QemuUser(uint Uid, uint Gid, IReadOnlyList<uint> ExtraGroups)
{
    public const string Name = "alveare-qemu";

    /// <summary>Used where no user of that name exists. It is the same number on all hosts, because they own files of one shared
    /// datastore; it lies in the range that no distribution gives to people or packages.</summary>
    public const uint DefaultUid = 61717;

    /// <summary>The user <see cref="Name"/> of this machine, else <see cref="DefaultUid"/>.</summary>
    public static QemuUser Find(string passwd = "/etc/passwd", string kvmDevice = "/dev/kvm")
    {
        var groups = GroupOf(kvmDevice) is { } gid and not 0 ? new[] { gid } : [];
        foreach (var line in File.ReadLines(passwd))
        {
            var fields = line.Split(':');
            if (fields.Length > 3 && fields[0] == Name)
                return new QemuUser(Number(fields[2]), Number(fields[3]), groups);
        }

        return new QemuUser(DefaultUid, DefaultUid, groups);
    }

    /// <summary>Arguments of <c>setpriv</c> that give up every right but this user's; the program to run comes after them.</summary>
    public IEnumerable<string> Drop() =>
    [
        string.Create(CultureInfo.InvariantCulture, $"--reuid={Uid}"), string.Create(CultureInfo.InvariantCulture, $"--regid={Gid}"),
        ExtraGroups.Count == 0 ? "--clear-groups" : $"--groups={string.Join(',', ExtraGroups)}",
        "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--",
    ];

    /// <summary>How a program is started as this user. Of the environment it has no more than the path: a QEMU that was broken out of can read it, and there
    /// may be secrets in it.</summary>
    public ProcessStartInfo Start(params IEnumerable<string> command)
    {
        var start = new ProcessStartInfo("setpriv", Drop().Concat(command)) { RedirectStandardOutput = true, RedirectStandardError = true };
        var path = start.Environment["PATH"];
        start.Environment.Clear();
        start.Environment["PATH"] = path;
        return start;
    }

    /// <summary>Gives a file or directory to this user.</summary>
    public void Own(string path)
    {
        if (Native.LChown(path, Uid, Gid) != 0)
            throw new IOException($"Giving '{path}' to user {Uid} failed: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
    }

    /// <summary>Lets this user read a file, or open those of a directory, and change nothing.</summary>
    public void LetRead(string path)
    {
        if (Native.LChown(path, uint.MaxValue, Gid) != 0)
            throw new IOException($"Giving '{path}' to group {Gid} failed: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
        var forGroup = Directory.Exists(path) ? UnixFileMode.GroupRead | UnixFileMode.GroupExecute : UnixFileMode.GroupRead;
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | forGroup);
    }

    private static uint Number(string text) => uint.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    private static uint? GroupOf(string path) =>
        Native.Statx(Native.AtFdCwd, path, 0, Native.StatxGid, out var status) == 0 ? status.Gid : null;
}
