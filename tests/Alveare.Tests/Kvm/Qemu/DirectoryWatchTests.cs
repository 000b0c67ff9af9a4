using Alveare.Kvm.Qemu;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

public sealed class DirectoryWatchTests : IDisposable
{
    // So long that a test which is woken by nothing else fails.
    private static readonly TimeSpan Never = TimeSpan.FromHours(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string directory = Directory.CreateTempSubdirectory("alv-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AFileThatIsMadeEndsTheWait()
    {
        var file = Path.Combine(directory, "made");
        var looked = new TaskCompletionSource();
        var wait = DirectoryWatch.UntilAsync([directory], () => Look(looked, () => File.Exists(file)), Never, Cancellation);
        await looked.Task.WaitAsync(Patience, Cancellation);
        Assert.False(wait.IsCompleted);

        await File.WriteAllTextAsync(file, "", Cancellation);

        await wait.WaitAsync(Patience, Cancellation);
    }

    [Fact]
    public async Task AFileIsLookedAtWhenItHasBeenWrittenNotOnlyWhenItWasMade()
    {
        var file = Path.Combine(directory, "written");
        var looked = new TaskCompletionSource();
        var wait = DirectoryWatch.UntilAsync([directory], () => Look(looked, () => File.Exists(file) && new FileInfo(file).Length > 0), Never, Cancellation);
        await looked.Task.WaitAsync(Patience, Cancellation);

        await using (var stream = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.Read))
        {
            Assert.False(wait.IsCompleted);
            stream.WriteByte(1);
        }

        await wait.WaitAsync(Patience, Cancellation);
    }

    [Fact]
    public async Task WhatIsTrueAlreadyIsNotWaitedFor() =>
        await DirectoryWatch.UntilAsync([directory], () => true, Never, Cancellation).WaitAsync(Patience, Cancellation);

    [Fact]
    public async Task ADirectoryThatIsNotThereIsLookedAtInSteps()
    {
        var looks = 0;
        await DirectoryWatch.UntilAsync([Path.Combine(directory, "none")], () => ++looks == 3, Never, Cancellation).WaitAsync(Patience, Cancellation);
        Assert.Equal(3, looks);
    }

    [Fact]
    public async Task AWaitCanBeCancelled()
    {
        using var cancelled = new CancellationTokenSource();
        var looked = new TaskCompletionSource();
        var wait = DirectoryWatch.UntilAsync([directory], () => Look(looked, () => false), TimeSpan.FromMilliseconds(1), cancelled.Token);
        await looked.Task.WaitAsync(Patience, Cancellation);

        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.WaitAsync(Patience, Cancellation));
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    private static bool Look(TaskCompletionSource looked, Func<bool> condition)
    {
        var holds = condition();
        looked.TrySetResult();
        return holds;
    }
}
