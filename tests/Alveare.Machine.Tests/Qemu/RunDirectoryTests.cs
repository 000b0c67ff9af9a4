using System.Net.Sockets;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Qemu;

/// <summary>What a QEMU that was broken out of can do in its run directory, where the agent, which is root, reads and writes too.</summary>
public sealed class RunDirectoryTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("alv-").FullName;
    private readonly QemuUser user = QemuUser.Find();
    private readonly RunDirectory run;
    private readonly string treasure;

    public RunDirectoryTests()
    {
        File.SetUnixFileMode(root, (UnixFileMode)0b111_101_101);
        treasure = Path.Combine(root, "treasure");
        File.WriteAllText(treasure, "whole");
        run = new RunDirectory(root, Guid.NewGuid());
        run.Create(user);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NothingThatRootReadsOrWritesCanBePutThere()
    {
        await RunAsync("cd \"$1\"; ln -sf \"$2\" exit; ln -sf \"$2\" run.json; ln -s \"$2\" tls; mv s t; rm -f pid; ln -s \"$2\" s/made; ls s");

        Assert.Contains("made", run.LastLines(100));
        Assert.Equal(0, run.ReadExitStatus());
        Assert.NotNull(run.ReadPid());
        Assert.Equal(["exit", "pid", "qemu.log", "s"], Directory.GetFileSystemEntries(run.Path).Select(Path.GetFileName).Order());
        Assert.Equal("whole", await File.ReadAllTextAsync(treasure, Cancellation));
    }

    [Fact]
    public async Task ItIsRemovedWithWhateverIsInItAndNothingBehindALink()
    {
        await RunAsync("cd \"$1/s\"; mkdir -m 777 -p a/b; ln -s \"$3\" a/b/up; ln -s \"$2\" a/file; mkfifo a/pipe; ln -s nowhere broken; touch plain");

        run.Remove();

        Assert.False(run.Exists);
        Assert.Equal([treasure], Directory.GetFiles(root, "treasure", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task AConsoleDoesNotLeadToASocketOfTheHosts()
    {
        using var service = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var path = Path.Combine(root, "service");
        service.Bind(new UnixDomainSocketEndPoint(path));
        service.Listen();
        File.CreateSymbolicLink(run.Vnc, path);

        var opened = () => new Consoles(run).OpenAsync("web", HostChannelKind.Vnc, Cancellation);

        Assert.IsType<HostOperationFailed>((await Assert.ThrowsAsync<FaultException>(opened)).Fault);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    /// <summary>Does in QEMU's place, with its rights, what a shell is told.</summary>
    private async Task RunAsync(string words)
    {
        using var nursery = new Nursery(root);
        await nursery.StartAsync(run, user, [], ["/bin/sh", "-c", $"{words}; exit 0", "sh", run.Path, treasure, root]);
        await MachineRoom.UntilAsync(() => run.ReadExitStatus() is not null, "the program has ended");
    }
}
