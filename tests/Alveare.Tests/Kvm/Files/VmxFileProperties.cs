using System.Text;
using Alveare.Kvm.Files;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Files;

public sealed class VmxFileProperties
{
    [Fact]
    public void AnyConfigurationIsReadAsItWasWritten() =>
        VmxGen.Spec.Sample(spec => VmxFile.Read("a.vmx", VmxFile.Write(spec)) == spec);

    [Fact]
    public void EqualConfigurationsAreEqualTexts() =>
        VmxGen.Spec.Sample(spec => VmxFile.Write(VmxFile.Read("a.vmx", VmxFile.Write(spec))).AsSpan().SequenceEqual(VmxFile.Write(spec)));

    [Fact]
    public void ATextThatLostItsEndIsNeverTakenForWhole() =>
        Gen.Select(VmxGen.Spec, Gen.Double[0, 1]).Sample((spec, share) =>
        {
            var whole = VmxFile.Write(spec);
            var fault = Refusal(whole.AsSpan(0, (int)(share * (whole.Length - 1))));
            Assert.NotNull(fault);
        });

    [Fact]
    public void AnyDamageIsTheOneFaultOrALegalConfiguration() =>
        Gen.Select(VmxGen.Spec, Damage.Array[1, 8]).Sample((spec, damages) =>
        {
            var content = VmxFile.Write(spec).ToList();
            foreach (var damage in damages)
                damage(content);
            var damaged = content.ToArray();
            if (Refusal(damaged) is null)
                Assert.Empty(MachineSpecRules.Check(VmxFile.Read("a.vmx", damaged)));
            // Neither of these may fail whatever the content.
            VmxFile.TryParse(damaged);
            VmxFile.Salvage(damaged);
        });

    [Fact]
    public void AnyBytesAreTheOneFault() =>
        Gen.Byte.Array[0, 300].Sample(bytes => Assert.NotNull(Refusal(bytes)));

    [Fact]
    public void WhatIsNotOursSurvivesARewrite() =>
        Gen.Select(VmxGen.Spec, VmxGen.Spec).Sample((before, after) =>
        {
            var text = Encoding.UTF8.GetString(VmxFile.Write(before));
            var foreign = "guestOS = \"other|22linux\"\n# by hand\nScsi0.virtualDev = \"lsilogic\"\nalveare.future = \"1\"\n";
            var edited = Encoding.UTF8.GetBytes(text.Replace("alveare.end", foreign + "alveare.end"));

            var rewritten = VmxFile.Write(after, VmxText.Parse(edited));

            Assert.Equal(after, VmxFile.Read("a.vmx", rewritten));
            var kept = VmxText.Parse(rewritten);
            Assert.Equal("other\"linux", kept.Find("guestos")?.Value);
            Assert.Equal("lsilogic", kept.Find("scsi0.virtualDev")?.Value);
            Assert.Equal("1", kept.Find("alveare.future")?.Value);
            Assert.Equal("# by hand", Assert.Single(kept.Comments));
            Assert.Equal(rewritten, VmxFile.Write(after, kept));
        });

    [Fact]
    public void ACdRomOnABusOfDisksKeepsItsPlaceWhateverDisksThereAre() =>
        Gen.Select(VmxGen.Spec, VmxGen.Spec, Gen.Int[0, 15].Where(u => u != 7), Gen.Bool).Sample((before, after, unit, isPresent) =>
        {
            var text = Encoding.UTF8.GetString(VmxFile.Write(before with { Disks = [] }));
            var drive = $"scsi0:{unit}.present = \"{(isPresent ? "TRUE" : "FALSE")}\"\nscsi0:{unit}.fileName = \"a.iso\"\nSCSI0:{unit}.deviceType = \"cdrom-image\"\n";
            var edited = Encoding.UTF8.GetBytes(text.Replace("alveare.end", drive + "alveare.end"));

            var rewritten = VmxFile.Write(after, VmxText.Parse(edited));

            Assert.Equal(after with { DevicesLeftOut = isPresent ? [$"CD-ROM scsi0:{unit}"] : [] }, VmxFile.Read("a.vmx", rewritten));
            Assert.Contains(drive, Encoding.UTF8.GetString(rewritten));
        });

    private static Gen<Action<List<byte>>> Damage => Gen.Select(
        Gen.Int[0, 4], Gen.Double[0, 0.9999], Gen.Double[0, 0.9999], Gen.Byte,
        (kind, where, other, value) => (Action<List<byte>>)(content =>
        {
            if (content.Count == 0)
                return;
            int at = (int)(where * content.Count), from = (int)(other * content.Count);
            switch (kind)
            {
                case 0:
                    content[at] = value;
                    break;
                case 1:
                    content.RemoveAt(at);
                    break;
                case 2:
                    content.Insert(at, value);
                    break;
                case 3:
                    content.InsertRange(at, content.GetRange(from, Math.Min(80, content.Count - from)));
                    break;
                default:
                    content[at] = (byte)"\"|=\n 9A."[value % 8];
                    break;
            }
        }));

    private static InvalidMachine? Refusal(ReadOnlySpan<byte> content)
    {
        try
        {
            VmxFile.Read("a.vmx", content);
            return null;
        }
        catch (FaultException e)
        {
            return Assert.IsType<InvalidMachine>(e.Fault);
        }
    }
}
