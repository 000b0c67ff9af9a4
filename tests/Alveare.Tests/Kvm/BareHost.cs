using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Hosts;

namespace Alveare.Tests.Kvm;

/// <summary>What a host without anything on it says of itself.</summary>
internal static class BareHost
{
    public static HostState NewState(TimeProvider? time = null) => new(
        new HostFacts
        {
            Id = EntityId.Host(Guid.NewGuid()),
            HostName = "h1",
            AgentVersion = "1",
            QemuVersion = "7",
            Accelerator = Accelerator.Emulation,
            CpuThreads = 2,
            CpuClock = new Megahertz(2000),
            CpuModel = "x",
            Memory = Bytes.FromGib(4),
            MigrationAddress = "127.0.0.1",
        },
        time ?? TimeProvider.System);
}
