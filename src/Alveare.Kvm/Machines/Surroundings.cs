using Alveare.Kvm.Networks;
using Alveare.Kvm.Qemu;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What a QEMU stands in on this host beside its files: made before its start, taken away after its end.</summary>
public sealed class Surroundings(PortGroupTable portGroups, QemuUser user)
{
    /// <summary>Makes everything for a start; a fault leaves nothing behind.</summary>
    public RunAttachments Make(MachineSpec spec) => new(spec.Nics.IsEmpty ? [] : portGroups.AddTaps(spec, user), []);

    /// <summary>Takes away what <see cref="Make"/> made. What is gone already is no error.</summary>
    public void TakeAway(RunAttachments attachments)
    {
        if (!attachments.Taps.IsEmpty)
            portGroups.RemoveTaps(attachments.Taps);
    }
}
