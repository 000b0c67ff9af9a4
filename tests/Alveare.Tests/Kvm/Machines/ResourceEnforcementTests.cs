using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>What the control groups of a host's machines are held to, all of them together.</summary>
public sealed class ResourceEnforcementTests
{
    [Fact]
    public async Task AHostOnWhichNoneRunsDoesNotHoldTheNextThatStartsToNothing()
    {
        await using var pooled = await PooledMachine.StartAsync((_, _) => """{"return": {}}""");
        var directory = Directory.CreateTempSubdirectory("alv-");
        try
        {
            using var machines = new MachineTable(pooled.State, new Registry(directory.FullName));
            var groups = new NoGroups();
            var enforcement = new ResourceEnforcement(
                pooled.State, machines, groups, new TapShaping(EntityId.Host(Guid.NewGuid())), new UplinkShares(uplink: null, speed: null), _ => null,
                pooled.State.Current.Facts, () => [])
            {
                TranslationCache = () => Bytes.Zero,
            };
            var machine = machines.AddVisiting(pooled.Host);

            // QEMU is in its group from its first moment, and is the machine's only when it answers.
            enforcement.Divide();
            machine.Run = pooled.Run;
            enforcement.Divide();
            machine.Run = null;
            enforcement.Divide();
            machine.Run = pooled.Run;
            enforcement.Divide();

            Assert.Equal(2, groups.Together.Count);
            Assert.All(groups.Together, t => Assert.True(t.Shares > 0));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
