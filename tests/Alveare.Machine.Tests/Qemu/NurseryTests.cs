using System.Diagnostics;
using Alveare.Kvm.Qemu;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Xunit;

namespace Alveare.Machine.Tests.Qemu;

/// <summary>What starts QEMUs, with programs that tell more of how they were started.</summary>
public sealed class NurseryTests : IDisposable
{
    private static readonly string[] Odd =
    [
        "plain", "", "two words", "'quoted'", "\"twice\"", "'", "$(echo bad)", "`echo bad`", "$HOME", @"back\slash", "a;b&c|d>e", "*", "~", "two\nlines", "È Ñ ā 機",
        "} )", "#", "-n",
    ];

    private readonly string root = Directory.CreateTempSubdirectory("alv-").FullName;
    private readonly QemuUser user = QemuUser.Find();

    [Theory]
    [InlineData("run")]
    [InlineData("a 'run' \"of\" $(touch bad)\n`touch bad` È機")]
    public async Task EveryArgumentAndPathArrivesAsItWasGiven(string name)
    {
        var run = NewRun(Directory.CreateDirectory(Path.Combine(root, name)).FullName);
        using var nursery = new Nursery(Path.GetDirectoryName(run.Path)!);

        await nursery.StartAsync(run, user, [], ["/usr/bin/printf", "<%s>\n", .. Odd]);

        Assert.Equal(0, await StatusAsync(run));
        Assert.Equal(string.Concat(Odd.Select(o => $"<{o}>\n")), await File.ReadAllTextAsync(run.Log, TestContext.Current.CancellationToken));
        Assert.Empty(Directory.GetFiles("/", "bad"));
    }

    [Fact]
    public async Task AProgramHasNoRightsAndNothingOfTheAgents()
    {
        Environment.SetEnvironmentVariable("ALVEARE_SECRET", "x");
        using var nursery = new Nursery(root);
        var run = NewRun(root);

        await nursery.StartAsync(run, user, [], ["/bin/sh", "-c", "cat /proc/self/status; env; pwd; ls -l /proc/$$/fd"]);

        Assert.Equal(0, await StatusAsync(run));
        var lines = run.LastLines(1000);
        Assert.Contains($"Uid:\t{user.Uid}\t{user.Uid}\t{user.Uid}\t{user.Uid}", lines);
        Assert.Contains("CapBnd:\t0000000000000000", lines);
        Assert.Contains("NoNewPrivs:\t1", lines);
        Assert.Contains("/", lines);
        Assert.DoesNotContain(lines, l => l.Contains("SECRET", StringComparison.Ordinal));
        // Its input is empty, and what it says goes to its log.
        var handles = lines.Where(l => l.Contains(" -> ", StringComparison.Ordinal)).Select(l => l[(l.IndexOf(" -> ", StringComparison.Ordinal) + 4)..]).ToArray();
        Assert.Equal(["/dev/null", run.Log, run.Log], handles);
    }

    [Theory]
    [InlineData("exit 3", 3)]
    [InlineData("kill -9 $$", 137)]
    public async Task HowAProgramEndedIsWrittenDownThoughTheNurseryIsGone(string end, int expected)
    {
        var run = NewRun(root);
        using (var nursery = new Nursery(root))
            await nursery.StartAsync(run, user, [], ["/bin/sh", "-c", $"while [ ! -e \"$1\" ]; do sleep 0.01; done; {end}", "sh", Path.Combine(root, "go")]);
        await MachineRoom.UntilAsync(() => Shells().Count == 1, "the nursery has ended and the shim has not");
        Assert.Null(run.ReadExitStatus());

        await File.WriteAllTextAsync(Path.Combine(root, "go"), "", TestContext.Current.CancellationToken);

        Assert.Equal(expected, await StatusAsync(run));
        await MachineRoom.UntilAsync(() => Shells().Count == 0, "the shim has ended");
    }

    [Theory]
    [InlineData(Signals.Kill)]
    [InlineData(Signals.Stop)]
    public async Task ANurseryThatWasKilledOrHangsIsReplacedAndAStartHappensOnce(int signal)
    {
        using var nursery = new Nursery(root) { Patience = TimeSpan.FromSeconds(1) };
        var first = NewRun(root);
        await nursery.StartAsync(first, user, [], ["/bin/sleep", "300"]);
        var shell = Assert.Single(Shells(), s => ParentOf(s) == Environment.ProcessId);

        Signals.Send(shell, signal);
        var others = Enumerable.Range(0, 8).Select(_ => NewRun(root)).ToList();
        await Task.WhenAll(others.Select(r => nursery.StartAsync(r, user, [], ["/bin/sh", "-c", "echo once"])));

        foreach (var run in others)
        {
            Assert.Equal(0, await StatusAsync(run));
            Assert.Equal(["once"], run.LastLines(10));
        }

        Assert.NotEqual(shell, Assert.Single(Shells(), s => ParentOf(s) == Environment.ProcessId));
        Assert.Null(first.ReadExitStatus());
        MachineRoom.Kill(first.ReadPid()!.Value);
        Assert.Equal(137, await StatusAsync(first));
    }

    [Fact]
    public async Task AStartThatIsAskedForAgainDoesNotHappenAgain()
    {
        using var nursery = new Nursery(root);
        var run = NewRun(root);
        await nursery.StartAsync(run, user, [], ["/bin/sh", "-c", "echo once"]);
        await nursery.StartAsync(run, user, [], ["/bin/sh", "-c", "echo twice"]);
        Assert.Equal(0, await StatusAsync(run));

        // Lines are taken in their order: when this one has ended the second has been refused.
        var last = NewRun(root);
        await nursery.StartAsync(last, user, [], ["/bin/true"]);
        Assert.Equal(0, await StatusAsync(last));
        await MachineRoom.UntilAsync(() => File.ReadAllText(Path.Combine(root, "nursery.log")).Contains("pid", StringComparison.Ordinal), "the second has been refused");
        Assert.Equal(["once"], run.LastLines(10));
    }

    [Fact]
    public async Task AnEndThatIsToldLateIsNotTakenForThatOfTheNextStart()
    {
        using var nursery = new Nursery(root);
        var run = NewRun(root);
        await nursery.StartAsync(run, user, [], ["/bin/sleep", "300"]);
        var (first, shim) = (run.ReadPid()!.Value, Assert.Single(Shells(), s => ParentOf(s) != Environment.ProcessId));
        Signals.Send(shim, Signals.Stop);
        MachineRoom.Kill(first);

        run.Forget();
        await nursery.StartAsync(run, user, [], ["/bin/sleep", "300"]);
        Signals.Send(shim, Signals.Continue);
        await MachineRoom.UntilAsync(() => !Shells().Contains(shim), "the first shim has ended");

        Assert.Null(run.ReadExitStatus());
        MachineRoom.Kill(run.ReadPid()!.Value);
        Assert.Equal(137, await StatusAsync(run));
    }

    [Fact]
    public async Task AStartThatCannotBeginIsAFaultThatSaysWhere()
    {
        using var nursery = new Nursery(root) { Patience = TimeSpan.FromMilliseconds(200) };
        var run = new RunDirectory(root, Guid.NewGuid());

        var fault = await Assert.ThrowsAsync<FaultException>(() => nursery.StartAsync(run, user, [], ["/bin/true"]));

        Assert.Contains(run.Path, fault.Message, StringComparison.Ordinal);
        Assert.Contains(run.Path, await File.ReadAllTextAsync(Path.Combine(root, "nursery.log"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task NothingThatHasEndedIsLeftAsAZombieOfTheNursery()
    {
        using var nursery = new Nursery(root);
        for (var number = 0; number < 5; number++)
        {
            var run = NewRun(root);
            await nursery.StartAsync(run, user, [], ["/bin/true"]);
            Assert.Equal(0, await StatusAsync(run));
        }

        var shell = Assert.Single(Shells(), s => ParentOf(s) == Environment.ProcessId);
        await MachineRoom.UntilAsync(() => File.ReadAllText($"/proc/{shell}/task/{shell}/children").Length == 0, "the nursery has no children");
    }

    public void Dispose()
    {
        // Of a test that failed something may still run.
        foreach (var program in Shells().SelectMany(ChildrenOf).ToArray())
            Signals.Send(program, Signals.Kill);
        SpinWait.SpinUntil(() => Shells().Count == 0, MachineRoom.Patience);
        Directory.Delete(root, recursive: true);
    }

    private RunDirectory NewRun(string below)
    {
        File.SetUnixFileMode(root, (UnixFileMode)0b111_101_101);
        var run = new RunDirectory(below, Guid.NewGuid());
        run.Create(user);
        return run;
    }

    private static async Task<int> StatusAsync(RunDirectory run)
    {
        await MachineRoom.UntilAsync(() => run.ReadExitStatus() is not null, $"the program of '{run.Path}' has ended");
        return run.ReadExitStatus()!.Value;
    }

    /// <summary>The nursery and its shims: they bear the test's directory as their argument.</summary>
    private List<int> Shells() =>
    [
        .. Process.GetProcesses().Select(p => p.Id).Where(p => Read($"/proc/{p}/cmdline").StartsWith($"/bin/sh\0-s\0{root}", StringComparison.Ordinal)),
    ];

    private static int ParentOf(int process) => int.Parse(Read($"/proc/{process}/stat").Split(") ")[^1].Split(' ')[1]);

    private static IEnumerable<int> ChildrenOf(int process) =>
        Read($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse);

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
