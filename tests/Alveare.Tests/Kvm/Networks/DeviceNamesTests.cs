using System.Text;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Hosts;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Networks;

public sealed class DeviceNamesTests
{
    [Fact]
    public void EveryNameFitsTheKernelsFifteenBytesAndIsRecognisablyOurs() =>
        Gen.Select(Gen.Guid, Gen.Guid, Gen.Int[1, (1 << 24) - 1], Gen.Int[0, 9]).Sample((host, machine, vni, nic) =>
        {
            var names = new DeviceNames(EntityId.Host(host));
            string[] all = [names.Bridge(vni), names.Vxlan(vni), names.Tap(machine, nic)];
            return all.All(n => n.Length <= 15 && n.StartsWith(DeviceNames.Prefix, StringComparison.Ordinal)) && all.Distinct().Count() == 3;
        });

    [Fact]
    public void NoTwoPortGroupsShareAMulticastGroup() =>
        Gen.Select(Gen.Int[1, (1 << 24) - 1], Gen.Int[1, (1 << 24) - 1]).Sample((one, other) =>
            one == other || !DeviceNames.Group(one).Equals(DeviceNames.Group(other)));

    [Fact]
    public void AnAliasFitsTheKernelsRoomWhateverTheName()
    {
        var names = new DeviceNames(EntityId.Host(Guid.NewGuid()));
        var alias = names.AliasOf(new PortGroupSpec(new EntityId(EntityKind.PortGroup, Guid.NewGuid()), new string('\u873c', 80), 1));
        Assert.InRange(Encoding.UTF8.GetByteCount(alias), 200, 255);
    }
}
