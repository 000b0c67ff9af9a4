using Alveare.Cluster.Tests.Cluster;
using Xunit;

namespace Alveare.Cluster.Tests.Migration;

/// <summary>What goes wrong during a live migration.</summary>
public enum Failure
{
    SourceQemuKilled,
    TargetQemuKilled,
    SourceAgentKilled,
    TargetAgentKilled,
    CenterKilled,
    NetworkCut,
}

/// <summary>When it goes wrong.</summary>
public enum Moment
{
    /// <summary>The target's QEMU has been started and waits.</summary>
    Prepare,

    /// <summary>Memory is being copied.</summary>
    Transfer,

    /// <summary>The guest stands still, everything is sent, and the target has not taken the lock.</summary>
    Switch,

    /// <summary>The guest runs on the target, and the source has not noticed.</summary>
    Commit,
}

/// <summary>Whatever fails, whenever: the machine runs in exactly one place, the task says what happened, and nothing is left over.</summary>
[Collection(ClusterCollection.Name)]
public sealed class FailureMatrix(TestCluster cluster)
{
    // Some 40 MB of a guest are not zero: at this rate the transfer lasts long enough for anything to be done in the middle of it.
    private const long Slow = 7_000_000;

    // Where it is only to be seen before it ends.
    private const long Brisk = 2 * Slow;

    public static TheoryData<Failure, Moment> Cases
    {
        get
        {
            var cases = new TheoryData<Failure, Moment>();
            foreach (var moment in Enum.GetValues<Moment>())
            {
                foreach (var failure in Enum.GetValues<Failure>())
                    cases.Add(failure, moment);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task AMachineRunsInExactlyOnePlaceWhateverFails(Failure failure, Moment moment)
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        var source = await cluster.HostOfMachineAsync();
        var target = cluster.Plan.Hosts.First(h => h != source);
        var move = new Move(cluster, machine, source, target);
        var task = await move.StartAsync(moment == Moment.Transfer ? Slow : Brisk);
        await move.ReachAsync(task, moment);

        await move.BreakAsync(failure);

        var ended = await move.EndedAsync(task);
        await cluster.RepairAsync();
        var settled = await cluster.SettledAsync();
        await move.AssertOnePlaceAsync(settled, failure, moment);
        Move.AssertTold(ended, settled);
        await move.AssertGuestWentOnAsync(settled);
    }
}
