using System.Text.Json;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Tests.Kvm.Qmp;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>A machine with one disk and one network card that runs in a QEMU which answers as a test wants; its process is this one.</summary>
internal sealed class PooledMachine : IAsyncDisposable
{
    private readonly FakeQemu _qemu;

    private PooledMachine(FakeQemu qemu, QmpConnection qmp)
    {
        _qemu = qemu;
        Spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(), Name = "web01", Cpus = 1, Memory = Bytes.FromMib(64),
            Disks = [new DiskSpec("a.qcow2", Bytes.FromGib(1))], Nics = [new NicSpec("52:54:00:00:00:01", "blue")],
        };
        var config = new DatastorePath(EntityId.Datastore(Guid.NewGuid()), "web01/web01.vmx");
        State = BareHost.NewState();
        Host = new HostMachine { Id = Spec.Id, Config = config, Spec = Spec, Power = PowerState.On };
        var record = new RunRecord { Config = config, StartedAt = DateTimeOffset.UnixEpoch, LockEpoch = 1, Attachments = RunAttachments.None };
        Run = new MachineRun(new QemuProcess(new RunDirectory("/run/alveare-tests", Spec.Uuid), Environment.ProcessId, qmp), record);
    }

    public MachineSpec Spec { get; }

    public HostState State { get; }

    /// <summary>What its host says of it.</summary>
    public HostMachine Host { get; }

    public MachineRun Run { get; }

    /// <param name="answer">From the name of a command and its arguments to the line it is answered with.</param>
    public static async Task<PooledMachine> StartAsync(Func<string, JsonElement, string?> answer)
    {
        var qemu = new FakeQemu(answer);
        return new PooledMachine(qemu, await QmpConnection.ConnectAsync(qemu.Path, null, Patience.Longest, TestContext.Current.CancellationToken));
    }

    /// <summary>A pool that it is in.</summary>
    public HostPool PoolOf(DiskControl disk, PoolNetworkControl network) =>
        new(new EntityId(EntityKind.ResourcePool, Guid.NewGuid()), null, new CpuControl(), [Spec.Id]) { Disk = disk, Network = network };

    public async ValueTask DisposeAsync()
    {
        await Run.Qmp.DisposeAsync();
        _qemu.Dispose();
    }
}
