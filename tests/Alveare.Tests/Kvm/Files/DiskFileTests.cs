using System.Buffers.Binary;
using System.Text;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Files;

public sealed class DiskFileTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-disk-").FullName;
    private readonly DatastoreRoot _root;

    public DiskFileTests()
    {
        _root = new DatastoreRoot(new MountDatastore(EntityId.Datastore(Guid.NewGuid()), "shared", _directory), "h1");
        _root.Claim(mayMark: true);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void AnImageAndWhatItStandsOnAreFound()
    {
        Write("golden/base.qcow2", Header());
        Write("web/mid.qcow2", Header("../golden/base.qcow2"));
        Write("web/top.qcow2", Header("mid.qcow2"));
        Assert.Equal(["web/top.qcow2", "web/mid.qcow2", "golden/base.qcow2"], Check("web/top.qcow2"));

        Write("web/mid.qcow2", Header("../golden/base.raw", "raw"));
        Write("golden/base.raw", new byte[1024]);
        Assert.Equal(3, Check("web/top.qcow2").Count);
    }

    [Fact]
    public void AMissingFileIsNamedAlsoDeepInTheChain()
    {
        Write("web/top.qcow2", Header("../golden/base.qcow2"));
        Assert.Equal(Path.Combine(_directory, "golden/base.qcow2"), Refusal<FileNotFoundFault>("web/top.qcow2").Path);
        Assert.Equal(Path.Combine(_directory, "web/no.qcow2"), Refusal<FileNotFoundFault>("web/no.qcow2").Path);
    }

    [Theory]
    [InlineData("../../outside.qcow2", "outside of the datastore")]
    [InlineData("/etc/passwd", "expected a path relative")]
    [InlineData("nbd://elsewhere/x", "expected a path relative")]
    [InlineData("top.qcow2", "stands on itself")]
    [InlineData("link/../../x.qcow2", "'..' in front alone")]
    [InlineData("x.qcow2\0/../y.qcow2", "a zero in it")]
    public void AChainThatLeavesTheDatastoreOrGoesRoundIsCorrupt(string backing, string reason)
    {
        Write("web/top.qcow2", Header(backing));
        Assert.Contains(reason, Refusal<FileCorrupt>("web/top.qcow2").Reason);
    }

    [Fact]
    public void WhatQemuWouldGuessAtIsCorrupt()
    {
        Write("web/top.qcow2", Header("base.raw"));
        // For QEMU this is a disk of VMware's, whose data may be in any file.
        Write("web/base.raw", [.. "# Disk DescriptorFile\nRW 128 FLAT \"/etc/shadow\" 0\n"u8, .. new byte[1024]]);
        Assert.Contains("does not say which format 'web/base.raw' has", Refusal<FileCorrupt>("web/top.qcow2").Reason);

        Write("web/top.qcow2", Header("base.raw", "vmdk"));
        Assert.Contains("not used here", Refusal<FileCorrupt>("web/top.qcow2").Reason);

        Write("web/top.qcow2", Header("base.raw", "raw"));
        Assert.Equal(2, Check("web/top.qcow2").Count);
    }

    [Fact]
    public void WhatIsSaidToBeRawIsNotLookedIntoThoughItsGuestWroteAnImageIntoIt()
    {
        Write("web/base.raw", Header("/etc/shadow"));
        Write("web/top.qcow2", Header("base.raw", "raw"));
        Assert.Equal(2, Check("web/top.qcow2").Count);
    }

    [Fact]
    public void DamageIsSaidInWords()
    {
        Corrupt("does not begin as a qcow2 image", h => h[0] = 0);
        Corrupt("version 9", h => h[7] = 9);
        Corrupt("marked it as corrupt", h => h[79] = 2);
        Corrupt("another file", h => h[79] = 4);
        Corrupt("2^63", h => h[23] = 63);
        Corrupt("it is cut off: it has 1024 bytes", h => h[38] = 1);
        Corrupt("lies outside the file", h => h[14] = 0xff);
        Write("a.qcow2", Header()[..60]);
        Assert.Contains("cut off", Refusal<FileCorrupt>("a.qcow2").Reason);
        Write("a.raw", new byte[100]);
        Assert.IsType<FileCorrupt>(Assert.Throws<FaultException>(() => DiskFile.Check(_root, "a.raw", DiskFormat.Raw, alone: true)).Fault);

        void Corrupt(string reason, Action<byte[]> damage)
        {
            var header = Header();
            damage(header);
            Write("a.qcow2", header);
            Assert.Contains(reason, Refusal<FileCorrupt>("a.qcow2").Reason);
        }
    }

    [Fact]
    public void AnyHeaderIsGoodOrAFault() =>
        Gen.Select(Gen.Int[0, 103].Array[1, 6], Gen.Byte.Array[6]).Sample(
            (positions, values) =>
            {
                var header = Header("x.raw");
                for (var i = 0; i < positions.Length; i++)
                    header[positions[i]] = values[i];
                Write("a.qcow2", header);
                try
                {
                    DiskFile.Check(_root, "a.qcow2", DiskFormat.Qcow2, alone: true);
                }
                catch (FaultException e)
                {
                    Assert.IsType<FileCorrupt>(e.Fault);
                }
            },
            threads: 1, iter: 300);

    private IReadOnlyList<string> Check(string relative) => DiskChain.Check(_root, relative, DiskFormat.Qcow2, alone: true);

    private T Refusal<T>(string relative)
        where T : Fault => Assert.IsType<T>(Assert.Throws<FaultException>(() => Check(relative)).Fault);

    private void Write(string relative, byte[] content)
    {
        var path = Path.Combine(_directory, relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
    }

    /// <summary>An image of version 3 with clusters of 64 KiB whose first table fits into 1 KiB.</summary>
    internal static byte[] Header(string? backing = null, string? format = null)
    {
        var header = new byte[1024];
        new byte[] { (byte)'Q', (byte)'F', (byte)'I', 0xfb, 0, 0, 0, 3 }.CopyTo(header, 0);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(20), 16);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(36), 1);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(40), 512);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(100), 104);
        if (backing is not null)
        {
            BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(8), 600);
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(16), (uint)backing.Length);
            Encoding.UTF8.GetBytes(backing).CopyTo(header, 600);
        }

        if (format is not null)
        {
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(104), 0xe2792aca);
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(108), (uint)format.Length);
            Encoding.UTF8.GetBytes(format).CopyTo(header, 112);
        }

        return header;
    }
}
