using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Kvm.Qemu;

/// <summary>Waits for files in directories by <c>inotify(7)</c>, on a thread of its own.</summary>
/// <remarks>For waits of tens of milliseconds: to look every millisecond costs 50 us a look, and what is waited for needs the CPU. .NET's watcher has a
/// thread too, and looks at the whole directory first.</remarks>
internal static partial class DirectoryWatch
{
    // O_NONBLOCK and O_CLOEXEC: the same where .NET runs.
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;

    // IN_CLOSE_WRITE, IN_MOVED_TO and IN_CREATE.
    private const uint Arrivals = 0x8 | 0x80 | 0x100;

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    /// <summary>Waits until a condition holds that is looked at whenever a file of <paramref name="directories"/> was made or written.</summary>
    /// <param name="recheck">How often it is looked at anyhow, and how soon a cancellation is noticed.</param>
    public static Task UntilAsync(string[] directories, Func<bool> condition, TimeSpan recheck, CancellationToken cancellation) => Task.Factory.StartNew(
        () => Until(directories, condition, recheck, cancellation), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void Until(string[] directories, Func<bool> condition, TimeSpan recheck, CancellationToken cancellation)
    {
        using var watch = new SafeFileHandle(Initialize(NonBlocking | CloseOnExec), ownsHandle: true);
        // A user has a limit of watches (fs.inotify.max_user_instances): then it has to be looked at in steps.
        var isWatched = !watch.IsInvalid && directories.All(d => AddWatch(watch, d, Arrivals) >= 0);
        Span<byte> events = stackalloc byte[4096];
        while (!condition())
        {
            cancellation.ThrowIfCancellationRequested();
            if (!isWatched)
                Thread.Sleep(Step);
            else if (Native.IsReadable(watch, recheck))
                RandomAccess.Read(watch, events, fileOffset: 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial int Initialize(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int AddWatch(SafeFileHandle watch, string path, uint events);
}
