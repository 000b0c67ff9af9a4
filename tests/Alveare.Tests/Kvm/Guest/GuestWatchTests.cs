using Alveare.Kvm.Guest;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Tests.Kvm.Qmp;
using Xunit;

namespace Alveare.Tests.Kvm.Guest;

public sealed class GuestWatchTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("alv-").FullName;
    private readonly HostState _state = BareHost.NewState();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task AGuestIsWatchedOnHoweverOftenTheConnectionBreaksWhileItsAgentIsLookedFor()
    {
        using var agent = FakeAgent.Answering(command => command == "guest-get-host-name" ? """{"return":{"host-name":"web-1"}}""" : """{"error":{}}""");
        var asked = 0;
        using var qemu = new FakeQemu(_ => Interlocked.Increment(ref asked) < 4 ? null : """{"return":[{"label":"agent","frontend-open":true}]}""");
        await using var qmp = await QmpConnection.ConnectAsync(qemu.Path, null, Patience.Longest, TestContext.Current.CancellationToken);
        using var machine = NewMachine(agent, qmp);

        GuestWatch.Begin(machine, machine.RequireRun());

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience.Longest);
        await foreach (var _ in _state.WatchAsync(patience.Token))
        {
            if (machine.Current.Guest?.HostName == "web-1")
                break;
        }

        Assert.Equal((4, 4), (asked, qemu.Connections));
    }

    private Machine NewMachine(FakeAgent agent, QmpConnection qmp)
    {
        var config = new DatastorePath(EntityId.Datastore(Guid.NewGuid()), "a/a.vmx");
        var machine = new Machine(_state, new HostMachine { Id = EntityId.Vm(Guid.NewGuid()), Config = config, Power = PowerState.On });
        var directory = new RunDirectory(_directory, Guid.NewGuid());
        Directory.CreateDirectory(directory.Sockets);
        File.CreateSymbolicLink(directory.GuestAgent, agent.Path);
        var process = new QemuProcess(directory, Environment.ProcessId, qmp);
        qmp.IsAlive = () => true;
        machine.Run = new MachineRun(process, new RunRecord { Config = config, StartedAt = default, LockEpoch = 1, Attachments = RunAttachments.None });
        return machine;
    }
}
