using Alveare.Kvm.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>A log that QEMU appends to and the agent keeps short.</summary>
public sealed class MachineLogTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("alveare-log-");

    private string Log => Path.Combine(_directory.FullName, "qemu.log");

    private string Older => Path.Combine(_directory.FullName, "qemu.1.log");

    [Fact]
    public void ALogThatHasGrownTooLongIsEmptiedItsEndIsKeptAndWhoeverAppendsGoesOn()
    {
        using var writer = new FileStream(Log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        Write("1234567890");
        MachineLog.Cut(Log, most: 10, kept: 4);
        Assert.Equal(("1234567890", false), (File.ReadAllText(Log), File.Exists(Older)));
        Write("x");
        MachineLog.Cut(Log, most: 10, kept: 4);
        Assert.Equal(("", "890x"), (File.ReadAllText(Log), File.ReadAllText(Older)));

        void Write(string text)
        {
            writer.Write(System.Text.Encoding.ASCII.GetBytes(text));
            writer.Flush();
        }
    }

    [Fact]
    public void ALogWhoseEndCannotBeKeptIsEmptiedAllTheSame()
    {
        File.WriteAllText(Log, "1234567890");
        Directory.CreateDirectory(Older);
        Assert.ThrowsAny<Exception>(() => MachineLog.Cut(Log, most: 5, kept: 4));
        Assert.Equal("", File.ReadAllText(Log));
    }

    public void Dispose() => _directory.Delete(recursive: true);
}
