using System.Text;
using Alveare.Model.Faults;
using Alveare.Planning.Snapshots;
using Xunit;

namespace Alveare.Tests.Planning.Snapshots;

public sealed class SnapshotReaderTests
{
    private const string Host = """{"id":"h0","cpuMhz":1000,"memMb":1024}""";
    private const string Vm = """{"id":"vm0","host":"h0","cpuDemandMhz":5000,"memMb":64,"consumedMb":32,"activeMb":0}""";

    [Fact]
    public void WhatIsWrittenIsRead()
    {
        var snapshot = Read($$"""{"name":"n","seed":1,"hosts":[{{Host}}],"vms":[{{Vm}}],"rules":[{"id":"r0","type":"vmHostMust","vms":["vm0"],"hosts":["gone"]}]}""");
        Assert.Equal(new SnapshotHost("h0", 1000, 1024), Assert.Single(snapshot.Hosts));
        var vm = Assert.Single(snapshot.Vms);
        Assert.Equal(("vm0", "h0", 5000, -1), (vm.Id, vm.Host, vm.CpuDemandMhz, vm.CpuLimitMhz));
        Assert.Null(vm.OwnMode);
        Assert.Equal((RuleKind.OnHosts, "gone"), (snapshot.Rules[0].Kind, snapshot.Rules[0].Hosts[0]));
    }

    [Theory]
    [InlineData("", "it is empty")]
    [InlineData("\u0001\u0002", "it is no JSON at line 1")]
    [InlineData("[]", "a list where an object")]
    [InlineData("{}", "it has no 'hosts'")]
    [InlineData("""{"hosts":[HOST]}""", "it has no 'vms'")]
    [InlineData("""{"hosts":[HOST],"vms":[VM]} {}""", "it is no JSON")]
    [InlineData("""{"hosts":[HOST],"vms":[VM""", "it is no JSON")]
    [InlineData("""{"hosts":[HOST,HOST],"vms":[]}""", "host 'h0' is there twice")]
    [InlineData("""{"hosts":[HOST],"vms":[VM,VM]}""", "vm 'vm0' is there twice")]
    [InlineData("""{"hosts":[],"vms":[VM]}""", "vm 'vm0' is on the unknown host 'h0'")]
    [InlineData("""{"hosts":[{"id":"h0","cpuMhz":0,"memMb":1}],"vms":[]}""", "cpuMhz is 0, expected more than 0")]
    [InlineData("""{"hosts":[{"id":"h0","memMb":1}],"vms":[]}""", "host 'h0': it has no 'cpuMhz'")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","cpuDemandMhz":-1,"memMb":1,"consumedMb":1,"activeMb":1}]}""", "vm 'a': cpuDemandMhz is -1, expected 0 to 1000000000000")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","cpuDemandMhz":1e300,"memMb":1,"consumedMb":1,"activeMb":1}]}""", "vm 'a': cpuDemandMhz is 1E+300, expected 0 to 1000000000000")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"\ud800","host":"h0"}]}""", "a text in it is no UTF-8, or ends in half a character")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","cpuDemandMhz":"NaN"}]}""", "vm 'a': cpuDemandMhz is 'NaN', expected a number")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","cpuDemandMhz":NaN}]}""", "it is no JSON")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","ownMode":"disabled"}]}""", "vm 'a': ownMode is 'disabled', expected off, manual, partial or full")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","ownMode":null}]}""", "vm 'a': null where a text was expected")]
    [InlineData("""{"hosts":[HOST],"vms":[],"hosts":[]}""", "'hosts' is there twice")]
    [InlineData("""{"hosts":[HOST],"vms":[],"vms":[VM]}""", "'vms' is there twice")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","vcpus":2.5,"cpuDemandMhz":1,"memMb":1,"consumedMb":1,"activeMb":1}]}""", "vm 'a': vcpus is 2.5, expected a whole number from 1 to 65536")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","cpuLimitMhz":-500,"cpuDemandMhz":1,"memMb":1,"consumedMb":1,"activeMb":1}]}""", "vm 'a': cpuLimitMhz is -500, expected 0 to 1000000000000, or -1 for none")]
    [InlineData("""{"hosts":[HOST],"vms":[{"id":"a","host":"h0","memShares":-1,"cpuDemandMhz":1,"memMb":1,"consumedMb":1,"activeMb":1}]}""", "vm 'a': memShares is -1, expected 0 to 1000000000000")]
    [InlineData("""{"hosts":[HOST],"vms":[VM],"rules":[{"id":"r","type":"near","vms":[]}]}""", "rule 'r': type is 'near', expected affinity, antiAffinity or vmHostMust")]
    [InlineData("""{"hosts":[HOST],"vms":[VM],"rules":[{"id":"r","type":"affinity","vms":["vm0","vm9"]}]}""", "rule 'r' names the unknown vm 'vm9'")]
    public void WhatCannotBeIsRefusedWithThePlace(string json, string expected)
    {
        var fault = Assert.IsType<FileCorrupt>(Assert.Throws<FaultException>(
            () => Read(json.Replace("HOST", Host, StringComparison.Ordinal).Replace("VM", Vm, StringComparison.Ordinal))).Fault);
        Assert.StartsWith("The file 'cluster.json' is corrupt: ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
    }

    private static ClusterSnapshot Read(string json) => SnapshotReader.Read(Encoding.UTF8.GetBytes(json), "cluster.json");
}
