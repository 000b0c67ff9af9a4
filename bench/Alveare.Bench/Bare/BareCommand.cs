using Alveare.Lab.Layout;

namespace Alveare.Bench.Bare;

/// <summary>Turns the command of a machine's QEMU into one that can be run by hand beside it: the same arguments, with sockets in a
/// directory of the bench and disks at their place outside the host's mount namespace.</summary>
internal sealed class BareCommand(LabPlan plan, IReadOnlyList<string> command, string runDirectory)
{
    /// <summary>The command with its sockets in a new directory, where the hosts have theirs.</summary>
    public (IReadOnlyList<string> Command, string ControlSocket, string Directory) In(string name)
    {
        var directory = plan.RunOf(name);
        var sockets = Directory.CreateDirectory(Path.Combine(directory, "s")).FullName;
        string[] moved = [.. command.Select(a => a
            .Replace(runDirectory, directory, StringComparison.Ordinal)
            .Replace(plan.MountPoint, plan.SharedDirectory, StringComparison.Ordinal))];
        return (moved, Path.Combine(sockets, "qmp.sock"), directory);
    }
}
