using System.Globalization;
using Alveare.Kvm.Cgroups;
using Alveare.Machine.Tests.Guest;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Cgroups;

/// <summary>What is due to machines is left to them by a kernel that is short of memory: one with version 2 of control groups, in a guest.</summary>
/// <remarks>Version 1 cannot be shown so: it looks at soft limits only where the whole host is short.</remarks>
public sealed class MemoryProtectionTests : IDisposable
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("alv-guest-");

    [Fact]
    public async Task WhereMemoryIsShortEachKeepsWhatIsDueToIt()
    {
        var seed = Path.Combine(directory.FullName, "seed.img");
        Seed.Write(seed, "first", "short", "10.0.2.77/24");
        await using var guest = BootedGuest.Start(directory.FullName, await GuestImage.CopyAsync(directory.FullName), seed, "user", mib: 256);
        await guest.AgentAnswersAsync();
        await guest.RunAsync(
            """
            mkdir /tmp/cg; mount -t cgroup2 none /tmp/cg; cd /tmp/cg
            echo +memory > cgroup.subtree_control; mkdir all; echo +memory > all/cgroup.subtree_control; mkdir all/heavy all/light
            for name in heavy light; do dd if=/dev/zero of=/$name bs=1M count=130; done; sync
            """);

        // As if memory for machines were 110 MiB, of which nine parts are the one's and two the other's.
        Sharer[] sharers = [Wanting(130, shares: 9000), Wanting(130, shares: 2000)];
        var due = new MemorySharing(Bytes.FromMib(110)).Divide(sharers, []);
        var common = new CommonLimits(2000, Bytes.Zero, new Bytes(due.Values.Sum(d => d.Due.Value)));
        var (heavy, light) = await UseAsync(guest, [.. Lines("all", common.Version2), .. Lines("all/heavy", due[sharers[0].Machine].Version2), .. Lines("all/light", due[sharers[1].Machine].Version2)]);
        Assert.True(heavy > 1.5 * light, $"The one has {heavy} MiB, the other {light} MiB.");

        // The same without anything due to them together: the kernel leaves them nothing of it.
        (heavy, light) = await UseAsync(guest, [.. Lines("all", (common with { Due = Bytes.Zero }).Version2)]);
        Assert.InRange((double)heavy / light, 0.6, 1.5);
    }

    public void Dispose() => directory.Delete(recursive: true);

    // Both read their file of 130 MiB again and again, which the guest's 186 MiB do not hold twice.
    private static async Task<(int Heavy, int Light)> UseAsync(BootedGuest guest, IEnumerable<string> lines)
    {
        var printed = await guest.RunAsync(
            $$"""
            cd /tmp/cg
            echo 3 > /proc/sys/vm/drop_caches
            {{string.Join('\n', lines)}}
            for name in heavy light; do
                (echo 0 > all/$name/cgroup.procs; while [ ! -e /tmp/stop ]; do cat /$name > /dev/null; done) &
            done
            sleep 15
            cat all/heavy/memory.current all/light/memory.current
            touch /tmp/stop; wait; rm /tmp/stop
            """);
        var bytes = printed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => (int)(long.Parse(l, CultureInfo.InvariantCulture) >> 20)).ToArray();
        return (bytes[0], bytes[1]);
    }

    private static IEnumerable<string> Lines(string group, IEnumerable<(string File, string Value)> files) =>
        files.Where(f => f.File.StartsWith("memory.", StringComparison.Ordinal)).Select(f => $"echo {f.Value} > {group}/{f.File}");

    private static Sharer Wanting(long mib, int shares) => new(
        EntityId.Vm(Guid.NewGuid()),
        new MachineSpec
        {
            Uuid = Guid.NewGuid(),
            Name = "vm",
            Cpus = 1,
            Memory = Bytes.FromMib(mib),
            Resources = new ResourceControls { Memory = new MemoryControl { Shares = shares } },
        },
        Bytes.Zero);
}
