using Alveare.Kvm.Cgroups;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Cgroups;

public sealed class ControlGroupTests
{
    [Fact]
    public async Task AQemuRunsInItsOwnGroupWhichGoesWithItAndItsParentWithTheLast()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        if (host.Warnings.Count > 0)
            Assert.Skip(host.Warnings[0]);
        var machine = await room.StartTickingAsync(host, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        await MachineRoom.UntilAsync(() => GroupsOf(host.Id, pid).Length > 0, "QEMU is in its group");

        Assert.All(GroupsOf(host.Id, pid), group => Assert.EndsWith($"alveare-{host.Id.Uuid:N}/{machine.Id.Uuid:N}", group, StringComparison.Ordinal));
        Assert.NotEmpty(DirectoriesOf(host.Id));

        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        Assert.Empty(DirectoriesOf(host.Id));
    }

    [Fact]
    public async Task AGroupThatAnEarlierAgentLeftIsRemovedByTheNextAndThoseOfOthersStay()
    {
        await using var room = MachineRoom.Open();
        if (ControlGroupHierarchies.Read().Open(room.IdOf("a"), []) is not { } ours || ControlGroupHierarchies.Read().Open(room.IdOf("b"), []) is not { } theirs)
        {
            Assert.Skip("this machine has no control groups");
            return;
        }

        ours.Add(Guid.NewGuid());
        var other = theirs.Add(Guid.NewGuid());
        await room.OpenHostAsync("a");
        Assert.Empty(DirectoriesOf(room.IdOf("a")));
        Assert.NotEmpty(DirectoriesOf(room.IdOf("b")));
        theirs.Remove(other);
        Assert.Empty(DirectoriesOf(room.IdOf("b")));
    }

    private static string[] GroupsOf(EntityId host, int pid) =>
        [.. File.ReadLines($"/proc/{pid}/cgroup").Where(l => l.Contains($"alveare-{host.Uuid:N}", StringComparison.Ordinal))];

    private static string[] DirectoriesOf(EntityId host) =>
    [
        .. File.ReadLines("/proc/mounts").Select(l => l.Split(' ')).Where(f => f[2] is "cgroup" or "cgroup2")
            .Select(f => Path.Combine(f[1], $"alveare-{host.Uuid:N}")).Where(Directory.Exists),
    ];
}
