using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Core.Hosts;

public sealed class MachineClaimsTests
{
    private static readonly EntityId Host = EntityId.Host(new Guid(1, 0, 0, new byte[8]));
    private static readonly EntityId Vm = EntityId.Vm(new Guid(2, 0, 0, new byte[8]));

    private readonly MachineClaims _claims = new();

    public MachineClaimsTests() => _claims.Watch(Host, [Machine(1)]);

    [Fact]
    public void AWholeWordAskedForBeforeARemovalDoesNotBringTheMachineBack()
    {
        var asked = _claims.Now;
        _claims.ReplyRemoved(Host, Vm, _claims.Now);
        _claims.WatchRemoved(Host, Vm);
        _claims.Reply(Host, [Machine(1)], asked);
        Assert.Empty(_claims.Of(Vm));
    }

    [Fact]
    public void AWholeWordOfTheWatchInBetweenDoesNotMakeARemovalForgotten()
    {
        var asked = _claims.Now;
        _claims.ReplyRemoved(Host, Vm, _claims.Now);
        _claims.Watch(Host, []);
        _claims.Reply(Host, [Machine(1)], asked);
        Assert.Empty(_claims.Of(Vm));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ASlowAnswerDoesNotBringBackAMachineThatHasGoneSince(bool isWatched)
    {
        _claims.Watch(Host, Machine(3));
        if (isWatched)
            _claims.WatchRemoved(Host, Vm);
        else
            _claims.ReplyRemoved(Host, Vm, _claims.Now);
        Assert.Empty(_claims.Of(Vm));
        _claims.Reply(Host, Machine(2));
        Assert.Empty(_claims.Of(Vm));
        _claims.Reply(Host, Machine(4));
        Assert.Single(_claims.Of(Vm));
    }

    [Fact]
    public void AMachineThatIsRegisteredAnewIsThereAgain()
    {
        _claims.ReplyRemoved(Host, Vm, _claims.Now);
        _claims.Watch(Host, []);
        _claims.Watch(Host, Machine(2));
        Assert.Equal(2, Assert.Single(_claims.Of(Vm)).Machine.Revision);
    }

    /// <param name="withWholeWord">The watch said everything once more, as it does when port groups change.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ARemovalThatIsAnsweredLateDoesNotTakeAwayWhatCameAfterIt(bool withWholeWord)
    {
        _claims.Watch(Host, [Machine(1)]);
        var asked = _claims.Now;
        _claims.WatchRemoved(Host, Vm);
        _claims.Watch(Host, Machine(2));
        if (withWholeWord)
            _claims.Watch(Host, [Machine(2)]);
        _claims.ReplyRemoved(Host, Vm, asked);
        Assert.Single(_claims.Of(Vm));
    }

    [Fact]
    public void ARemovalThatWasAskedForBeforeTheHostWasLostIsLeftToTheWatch()
    {
        var asked = _claims.Now;
        _claims.Drop(Host);
        _claims.Watch(Host, [Machine(2)]);
        _claims.ReplyRemoved(Host, Vm, asked);
        Assert.Single(_claims.Of(Vm));
        _claims.ReplyRemoved(Host, Vm, _claims.Now);
        Assert.Empty(_claims.Of(Vm));
    }

    [Fact]
    public void AMachineThatHasMovedAwayIsGoneUnlessItIsRegisteredThereAndOff()
    {
        _claims.Watch(Host, Machine(2) with { Power = PowerState.On });
        _claims.ReplyMovedAway(Host, Vm, _claims.Now);
        Assert.Empty(_claims.Of(Vm));

        _claims.WatchRemoved(Host, Vm);
        _claims.Watch(Host, Machine(3));
        _claims.ReplyMovedAway(Host, Vm, _claims.Now);
        Assert.Single(_claims.Of(Vm));
    }

    private static HostMachine Machine(long revision) =>
        new() { Id = Vm, Config = new DatastorePath(EntityId.Datastore(Guid.Empty), "vm/vm.vmx"), Power = PowerState.Off, Revision = revision };
}
