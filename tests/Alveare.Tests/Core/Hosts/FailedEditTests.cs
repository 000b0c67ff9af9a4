using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Hosts;

/// <summary>What a host said while the store could not be written.</summary>
public sealed class FailedEditTests
{
    [Fact]
    public void ARemovalWhoseAnswerCouldNotBeNotedIsNotedWhenTheWatchSaysIt() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        host.Answer = _ => Task.FromResult<HostReply>(Done.Instance);
        site.Store.IsFull = true;
        await Assert.ThrowsAsync<FaultException>(() => site.Engine.Hosts.ExecuteAsync(host.Id, new UnregisterMachine(machine.Id), null, TestContext.Current.CancellationToken));
        Assert.Equal(host.Id, site.Machine(machine.Id).Host);

        site.Store.IsFull = false;
        host.Lose(machine.Id);
        await site.UntilAsync(_ => site.Machine(machine.Id).Host is null);
    });
}
