using Alveare.Kvm.Cgroups;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What a QEMU stands in on this host beside its files: made before its start, taken away after its end.</summary>
/// <param name="groups">Null where the machine has no control groups to offer.</param>
public sealed class Surroundings(PortGroupTable portGroups, IControlGroups? groups, QemuUser user)
{
    /// <summary>Makes everything for a start; a fault leaves nothing behind.</summary>
    public RunAttachments Make(MachineSpec spec)
    {
        var attachments = new RunAttachments(spec.Nics.IsEmpty ? [] : portGroups.AddTaps(spec, user), []);
        try
        {
            return attachments with { ControlGroups = groups?.Add(spec.Uuid) ?? [] };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TakeAway(attachments);
            throw new FaultException(new HostOperationFailed($"Making a control group for virtual machine '{spec.Name}'", e.Message), e);
        }
    }

    /// <summary>Takes away what <see cref="Make"/> made. What is gone already is no error.</summary>
    public void TakeAway(RunAttachments attachments)
    {
        if (!attachments.Taps.IsEmpty)
            portGroups.RemoveTaps(attachments.Taps);
        groups?.Remove(attachments.ControlGroups);
    }

    /// <summary>After a restart of the agent: removes what belongs to no run, then builds the port groups.</summary>
    public void Restore(IReadOnlyCollection<RunAttachments> inUse)
    {
        groups?.Sweep(inUse.SelectMany(a => a.ControlGroups).ToHashSet());
        portGroups.Restore(inUse.SelectMany(a => a.Taps).ToHashSet());
    }
}
