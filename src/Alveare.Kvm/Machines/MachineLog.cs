using System.Globalization;
using Alveare.Kvm.Files;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>The log files of machines, in their own directories: <c>NAME.log</c> tells what happened to a machine on whatever host, and
/// <c>NAME.serial.log</c> collects what its guest writes to the serial line.</summary>
/// <remarks>Both are bounded, with one older part beside them: a guest can write without end. A log that cannot be written keeps no
/// machine from anything.</remarks>
public sealed class MachineLog(Ground ground, string hostName, TimeProvider time)
{
    private const long MaxLog = 1 << 20;
    private const long MaxSerial = 16 << 20;
    private const int KeptSerial = 1 << 20;
    private const int KeptRun = 64 << 10;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    public static string LogOf(string config) => Path.ChangeExtension(config, ".log");

    public static string SerialOf(string config) => Path.ChangeExtension(config, ".serial.log");

    /// <summary>Names of the log files beside a configuration.</summary>
    public static IEnumerable<string> FilesOf(string config)
    {
        foreach (var log in (string[])[LogOf(config), SerialOf(config)])
        {
            yield return log;
            yield return OlderOf(log);
        }
    }

    /// <summary>Adds a line to a machine's log.</summary>
    public void Write(DatastorePath config, string line)
    {
        try
        {
            var path = ground.PathOf(config with { Path = LogOf(config.Path) });
            if (new FileInfo(path) is { Exists: true, Length: > MaxLog })
                File.Move(path, OlderOf(path), overwrite: true);
            var clean = string.Concat(line.Select(c => char.IsControl(c) ? ' ' : c));
            File.AppendAllText(path, string.Create(CultureInfo.InvariantCulture, $"{time.GetUtcNow():yyyy-MM-ddTHH:mm:ss.fffZ} {hostName}: {clean}\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FaultException)
        {
            // Nothing depends on it, and whoever reads it sees that it ends.
        }
    }

    /// <summary>Makes the serial log of a machine for a QEMU that runs as <paramref name="user"/>.</summary>
    public string PrepareSerial(DatastorePath config, QemuUser user)
    {
        var path = ground.PathOf(config with { Path = SerialOf(config.Path) });
        File.Open(path, FileMode.OpenOrCreate).Dispose();
        user.Own(path);
        return path;
    }

    /// <summary>Opens a machine's log from its beginning.</summary>
    public Stream Open(DatastorePath config)
    {
        var path = ground.PathOf(config with { Path = LogOf(config.Path) });
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FaultException(new FileNotFoundFault(path), e);
        }
        catch (IOException e)
        {
            throw new FaultException(new HostOperationFailed($"Reading '{path}'", e.Message), e);
        }
    }

    /// <summary>Keeps what running machines and their QEMUs write short, until <paramref name="stopping"/>.</summary>
    public async Task KeepShortAsync(MachineTable machines, DatastoreThreads threads, CancellationToken stopping)
    {
        var cutting = new Dictionary<EntityId, Task>();
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stopping))
            {
                foreach (var run in machines.All.Select(m => m.Run).OfType<MachineRun>())
                    Try(() => Cut(run.Directory.Log, MaxLog, KeptRun));
                foreach (var logs in machines.All.Where(m => m.Run is not null).Select(m => m.Current.Config).GroupBy(c => c.Datastore))
                {
                    // One that hangs is waited for, not asked again.
                    if (cutting.GetValueOrDefault(logs.Key, Task.CompletedTask).IsCompleted)
                        cutting[logs.Key] = threads.RunAsync(logs.Key, () => CutSerials([.. logs]));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
    }

    private void CutSerials(IEnumerable<DatastorePath> configs)
    {
        foreach (var config in configs)
            Try(() => Cut(ground.PathOf(config with { Path = SerialOf(config.Path) }), MaxSerial, KeptSerial));
    }

    /// <summary>Empties a log that has grown longer than <paramref name="most"/>, and keeps its end beside it; QEMU appends to the same file on.</summary>
    internal static void Cut(string path, long most, int kept)
    {
        if (new FileInfo(path) is not { Exists: true, Length: var length } || length <= most)
            return;
        using var log = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        var end = new byte[kept];
        log.Seek(-kept, SeekOrigin.End);
        log.ReadExactly(end);
        // First: it may be this log that fills the disk.
        log.SetLength(0);
        File.WriteAllBytes(OlderOf(path), end);
    }

    private static void Try(Action cut)
    {
        try
        {
            cut();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FaultException)
        {
            // Tried again the next time.
        }
    }

    private static string OlderOf(string log) => Path.ChangeExtension(log, ".1.log");
}
