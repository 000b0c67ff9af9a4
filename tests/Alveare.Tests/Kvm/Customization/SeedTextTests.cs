using System.Text.Json;
using Alveare.Kvm.Customization;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Customization;

public sealed class SeedTextTests
{
    private static readonly MachineSpec Spec = new()
    {
        Uuid = Guid.Parse("564d1234-5678-9abc-def0-112233445566"),
        Name = "web01",
        Cpus = 1,
        Memory = Bytes.FromMib(64),
        Nics = [new NicSpec("52:54:00:12:34:56", "blue")],
    };

    [Fact]
    public void ACustomizationIsExactlyTheseFiles()
    {
        var text = SeedText.Write(Spec, new GuestCustomization
        {
            HostName = "web01.example",
            Address = "192.0.2.10/24",
            Gateway = "192.0.2.1",
            SshKeys = ["ssh-ed25519 AAAA me@there"],
            Commands = ["echo \"a: b\" > /tmp/x", "- 'not a list' #"],
        });

        Assert.Equal("instance-id: \"564d1234-5678-9abc-def0-112233445566\"\nlocal-hostname: \"web01.example\"\n", text.MetaData);
        Assert.Equal(
            """
            #cloud-config
            preserve_hostname: false
            hostname: "web01.example"
            ssh_authorized_keys:
              - "ssh-ed25519 AAAA me@there"
            runcmd:
              - "echo \"a: b\" > /tmp/x"
              - "- 'not a list' #"

            """,
            text.UserData);
        Assert.Equal(
            """
            version: 2
            ethernets:
              nic0:
                match:
                  macaddress: "52:54:00:12:34:56"
                addresses:
                  - "192.0.2.10/24"
                routes:
                  - to: "0.0.0.0/0"
                    via: "192.0.2.1"

            """,
            text.NetworkConfig);
    }

    [Fact]
    public void WithoutAnAddressTheGuestAsksDhcpAndWithoutACardNobody()
    {
        Assert.EndsWith("    dhcp4: true\n", SeedText.Write(Spec, new GuestCustomization()).NetworkConfig);
        Assert.Equal("version: 2\n", SeedText.Write(Spec with { Nics = [] }, new GuestCustomization()).NetworkConfig);
    }

    [Fact]
    public void NoCommandBecomesStructure() =>
        Gen.Char["ab \n\r\t\"'\\:-#{}[],&*!|>%@`$é\u0085\u2028\u0001"].Array[1, 30].Select(c => new string(c)).Array[1, 4].Sample(commands =>
        {
            var lines = SeedText.Write(Spec, new GuestCustomization { Commands = [.. commands] }).UserData.Split('\n');
            Assert.Equal(commands.Length + 3, lines.Length);
            // A double-quoted scalar of YAML on one line is read as a JSON string is.
            Assert.Equal(commands, lines[2..^1].Select(l => JsonSerializer.Deserialize<string>(l["  - ".Length..])!));
        });

    [Theory]
    [InlineData("web_01", null, null)]
    [InlineData("-web", null, null)]
    [InlineData("web\nruncmd: [reboot]", null, null)]
    [InlineData("", null, null)]
    [InlineData(null, "192.0.2.10", null)]
    [InlineData(null, "192.0.2.10/33", null)]
    [InlineData(null, "192.0.2/24", null)]
    [InlineData(null, "2001:db8::1/64", null)]
    [InlineData(null, "192.0.2.10/24\n", null)]
    [InlineData(null, "192.0.2.10/24", "192.0.2.256")]
    [InlineData(null, null, "192.0.2.1")]
    public void AValueThatIsNotOneIsRefused(string? host, string? address, string? gateway)
    {
        var customization = new GuestCustomization { HostName = host, Address = address, Gateway = gateway };
        Assert.IsType<InvalidArgument>(Assert.Throws<FaultException>(() => SeedText.Write(Spec, customization)).Fault);
    }

    [Theory]
    [InlineData("two\nlines")]
    [InlineData("")]
    public void AKeyIsOneLineOfText(string key) =>
        Assert.Throws<FaultException>(() => SeedText.Write(Spec, new GuestCustomization { SshKeys = [key] }));

    // Not inline data: an attribute's text is stored as UTF-8, which has no half characters.
    [Fact]
    public void AKeyHasNoHalfCharacters() =>
        Assert.Throws<FaultException>(() => SeedText.Write(Spec, new GuestCustomization { SshKeys = [$"half {'\ud800'}"] }));

    [Fact]
    public void AMachineWithoutACardGetsNoAddress() =>
        Assert.Throws<FaultException>(() => SeedText.Write(Spec with { Nics = [] }, new GuestCustomization { Address = "192.0.2.10/24" }));
}
