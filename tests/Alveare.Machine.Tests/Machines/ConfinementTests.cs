using System.Globalization;
using Alveare.Kvm.Qemu;
using Alveare.Machine.Tests.Room;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

/// <summary>What the kernel says of a QEMU that runs a guest: what a guest that breaks out of it would have.</summary>
public sealed class ConfinementTests
{
    [Fact]
    public async Task EveryThreadOfARunningQemuIsAnUnprivilegedUsersWithoutCapabilitiesAndWithinTheSandbox()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        var pid = Assert.Single(room.LivingProcesses());

        var user = QemuUser.Find();
        Assert.NotEqual(0u, user.Uid);
        var threads = Directory.GetDirectories($"/proc/{pid}/task");
        // The guest's CPU is a thread of its own.
        Assert.True(threads.Length > 1);
        Assert.All(threads, thread =>
        {
            var status = File.ReadLines(Path.Combine(thread, "status")).Select(l => l.Split(':', 2)).ToDictionary(l => l[0], l => l[1].Trim());
            // Real, effective, saved, and of files.
            Assert.Equal(Enumerable.Repeat(user.Uid, 4), Numbers(status["Uid"]));
            Assert.Equal(Enumerable.Repeat(user.Gid, 4), Numbers(status["Gid"]));
            Assert.Equal(user.ExtraGroups.Order(), Numbers(status["Groups"]).Order());
            Assert.Equal("1", status["NoNewPrivs"]);
            // SECCOMP_MODE_FILTER.
            Assert.Equal("2", status["Seccomp"]);
            Assert.All(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"], set => Assert.Equal("0000000000000000", status[set]));
        });
    }

    private static IEnumerable<uint> Numbers(string text) =>
        text.Split((char[])['\t', ' '], StringSplitOptions.RemoveEmptyEntries).Select(n => uint.Parse(n, CultureInfo.InvariantCulture));
}
