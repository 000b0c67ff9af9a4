using System.Collections.Concurrent;
using Alveare.Core.Hosts;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Clones;

/// <summary>What making clones needs of its host.</summary>
/// <param name="SeedDirectory">Where seeds are made; what an agent that is killed leaves there is removed with other leftovers.</param>
internal sealed record CloneGround(
    MachineTable Machines,
    Ground Ground,
    Registration Registration,
    DiskImages Images,
    QemuUser User,
    LeftoverFiles Leftovers,
    string SeedDirectory);

/// <summary>The clones of this host that are being made, each once at a time.</summary>
internal sealed class CloneTable(CloneGround ground)
{
    private readonly ConcurrentDictionary<Guid, Task> making = new();

    /// <summary>Makes a clone and registers it; the same command again answers the same.</summary>
    public async Task<MachineReply> CloneAsync(CloneMachine command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        while (making.GetOrAdd(command.Spec.Uuid, done.Task) is var other && other != done.Task)
            await other.WaitAsync(cancellation);
        try
        {
            if (FindFinished(command) is { } finished)
                return new MachineReply(finished.Current);
            return await new CloneJob(command, ground).RunAsync(progress, cancellation);
        }
        finally
        {
            making.TryRemove(command.Spec.Uuid, out _);
            done.SetResult();
        }
    }

    private Machine? FindFinished(CloneMachine command)
    {
        var known = ground.Machines.TryFind(EntityId.Vm(command.Spec.Uuid));
        if (known is not null && known.Current.Config != command.Target)
            throw new FaultException(new ObjectInUse(command.Spec.Uuid.ToString(), $"virtual machine '{known.Name}', which has this UUID"));
        return known;
    }
}
