using Alveare.Planning.Clusters;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Rules;

public sealed class RuleBookProperties
{
    [Fact]
    public void AChangeIsTheDifferenceOfWhatIsBroken() => Gen.Select(ClusterGen.Any, Gen.Int[0, 99], Gen.Int[0, 99], Gen.Bool).Sample((snapshot, some, other, isNew) =>
    {
        var state = new ClusterState(new Cluster(snapshot));
        var (vm, host) = (some % snapshot.Vms.Length, other % snapshot.Hosts.Length);
        if (isNew)
            state.Move(vm, ClusterState.Nowhere);
        var (before, change) = (state.Broken, state.Cluster.Rules.Change(vm, host, state.At));
        state.Move(vm, host);
        Assert.Equal(state.Broken, before + change);
    });

    [Fact]
    public void AHostRefusesExactlyWhatMayNotMove() => Gen.Select(ClusterGen.Any, Gen.Int[0, 99], Gen.Int[0, 99]).Sample((snapshot, some, other) =>
    {
        var state = new ClusterState(new Cluster(snapshot));
        var (vm, host) = (some % snapshot.Vms.Length, other % snapshot.Hosts.Length);
        Assert.Equal(state.MayMove(vm, host), HostRefusals.Of(state, vm, host).Count == 0);
    });
}
