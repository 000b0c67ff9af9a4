using Alveare.Kvm.Locks;
using Alveare.Model;
using Alveare.Model.Faults;
using Xunit;

namespace Alveare.Tests.Kvm;

public sealed class MachineLockTests : IDisposable
{
    private static readonly EntityId[] Hosts = [.. Enumerable.Range(1, 4).Select(n => EntityId.Host(new Guid(n, 0, 0, new byte[8])))];

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-lock-").FullName;

    private MachineLock NewLock() => new(_directory, "web01", "fast");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void ATakenLockNamesItsOwnerAndAReleasedOneIsFree()
    {
        var machine = NewLock();
        var taken = machine.TryTake(machine.Read(), Hosts[0], "h1", "boot");
        Assert.Equal(taken, machine.Read());
        Assert.Equal(1, taken!.Epoch);

        machine.Release(taken);
        Assert.Equal(new LockRecord(2, null, null, null), machine.Read());
    }

    [Fact]
    public void AReleaseIsAnEmptyFileAndWinsAnEpochLikeATaking()
    {
        var machine = NewLock();
        var taken = machine.TryTake(machine.Read(), Hosts[0], "h1", "boot")!;
        Assert.NotNull(machine.Release(taken));
        Assert.Equal(0, new FileInfo(Path.Combine(_directory, "web01.lock.2")).Length);

        Assert.Null(machine.Release(taken));
        Assert.Null(machine.TryTake(taken, Hosts[1], "h2", "boot"));
        Assert.Equal(3, machine.TryTake(machine.Read(), Hosts[1], "h2", "boot")!.Epoch);
    }

    [Fact]
    public void ALockWhoseDirectoryIsGoneNamesMachineAndDatastore()
    {
        var machine = new MachineLock(Path.Combine(_directory, "gone"), "web01", "fast");
        var taking = Assert.Throws<FaultException>(() => machine.TryTake(machine.Read(), Hosts[0], "h1", "boot"));
        var releasing = Assert.Throws<FaultException>(() => machine.Release(machine.Read()));
        Assert.All([taking, releasing], e => Assert.Contains("the lock of 'web01'", e.Message, StringComparison.Ordinal));
        Assert.All([taking, releasing], e => Assert.Contains("datastore 'fast'", e.Message, StringComparison.Ordinal));
        Assert.DoesNotContain(Directory.GetFiles(_directory), f => f.Contains(".lock.", StringComparison.Ordinal));
    }

    [Fact]
    public void WhoReadAnOlderEpochCanNotTake()
    {
        var machine = NewLock();
        var seen = machine.Read();
        var current = machine.TryTake(seen, Hosts[0], "h1", "boot")!;
        Assert.Null(machine.TryTake(seen, Hosts[1], "h2", "boot"));

        for (var n = 0; n < 20; n++)
            current = machine.TryTake(current, Hosts[n % 2], "h", "boot")!;
        Assert.Null(machine.TryTake(seen, Hosts[1], "h2", "boot"));
        Assert.Equal(current, machine.Read());
    }

    [Fact]
    public void OldRecordsAndTemporaryFilesDoNotPileUp()
    {
        var machine = NewLock();
        var current = machine.Read();
        for (var n = 0; n < 50; n++)
            current = machine.TryTake(current, Hosts[0], "h1", "boot")!;
        Assert.InRange(Directory.GetFileSystemEntries(_directory).Length, 1, 9);
    }

    [Fact]
    public void ATakingThatWasWrittenBeforehandIsMadeAndLeavesNothingBehind()
    {
        var machine = NewLock();
        var seen = machine.Read();
        machine.Prepare(seen, Hosts[0], "h1", "boot");
        machine.Prepare(seen, Hosts[1], "h2", "boot");
        Assert.Equal(seen, machine.Read());

        var taken = machine.TryTake(seen, Hosts[1], "h2", "boot");
        Assert.Equal(new LockRecord(1, Hosts[1], "h2", "boot"), taken);
        Assert.Equal(taken, machine.Read());
        Assert.Null(machine.TryTake(seen, Hosts[0], "h1", "boot"));
        Assert.Equal(["web01.lock.1"], Directory.GetFiles(_directory).Select(Path.GetFileName));
    }

    [Fact]
    public void OneThatWasWrittenBeforeARestartOfTheHostIsNotMade()
    {
        var machine = NewLock();
        machine.Prepare(machine.Read(), Hosts[0], "h1", "boot");
        Assert.Equal("next boot", machine.TryTake(machine.Read(), Hosts[0], "h1", "next boot")!.BootId);
        Assert.Equal("next boot", machine.Read().BootId);
    }

    [Fact]
    public void ALockThatIsDeletedLeavesNothingBehind()
    {
        var machine = NewLock();
        machine.Prepare(machine.TryTake(machine.Read(), Hosts[0], "h1", "boot")!, Hosts[1], "h2", "boot");
        machine.Delete();
        Assert.Empty(Directory.GetFileSystemEntries(_directory));
    }

    [Fact]
    public void OneThatIsDeletedTakesWhatKilledTakersLeftWithItAndNothingOfAnother()
    {
        var machine = NewLock();
        machine.TryTake(machine.Read(), Hosts[0], "h1", "boot");
        string[] left = [$".web01.lock.{Guid.NewGuid():N}", $"..web01.lock.2.{Hosts[1].Uuid:N}.{Guid.NewGuid():N}"];
        string[] others = [$".web01.vmx.{Guid.NewGuid():N}", $".web012.lock.{Guid.NewGuid():N}", "web012.lock.1"];
        foreach (var file in (string[])[.. left, .. others])
            File.WriteAllText(Path.Combine(_directory, file), "");
        machine.Delete();
        Assert.Equal(others.Order(), Directory.GetFiles(_directory).Select(f => Path.GetFileName(f)).Order());
    }

    [Fact]
    public async Task OfManyTakersExactlyOneWinsEachEpoch()
    {
        const int Rounds = 200;
        var wins = await Task.WhenAll(Hosts.Select(host => Task.Run(() =>
        {
            var machine = NewLock();
            var won = new List<long>();
            for (var n = 0; n < Rounds; n++)
            {
                var seen = machine.Read();
                if (n % 2 == 0)
                    machine.Prepare(seen, host, "h", "boot");
                if (machine.TryTake(seen, host, "h", "boot") is { } record)
                    won.Add(record.Epoch);
            }

            return won;
        })));

        var epochs = wins.SelectMany(w => w).ToList();
        Assert.Equal(epochs.Count, epochs.Distinct().Count());
        Assert.All(wins, w => Assert.Equal(w.Order(), w));
        Assert.NotEmpty(epochs);
        Assert.True(NewLock().Read().Epoch >= Rounds, "Every try moves the epoch on, whoever wins it.");
    }
}
