using System.Security.Cryptography;
using Alveare.Core.Hosts;
using Alveare.HostLink;
using Alveare.HostLink.Remote;
using Alveare.HostLink.Trust;
using Alveare.Kvm;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>One shared datastore and the host agents of a test, on this machine; leaves no process and no file behind.</summary>
internal sealed class MachineRoom : IAsyncDisposable
{
    /// <summary>Longer than anything takes on a machine however busy, so that a test that hangs fails instead, and no other.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    // What the first host of a test run found out about hardware virtualization, which takes it seconds.
    private static byte[]? proof;

    private readonly List<KvmHost> hosts = [];

    private MachineRoom(string path)
    {
        Path = path;
        Datastore = EntityId.Datastore(Guid.NewGuid());
        System.IO.Directory.CreateDirectory(DatastorePath);
    }

    public static IdSource Ids { get; } = new(RandomNumberGenerator.Fill);

    public string Path { get; }

    public EntityId Datastore { get; }

    public string DatastorePath => System.IO.Path.Combine(Path, "ds");

    public static MachineRoom Open()
    {
        // Short, because unix sockets live below it.
        var path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"alv-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}");
        System.IO.Directory.CreateDirectory(path);
        // QEMU's unprivileged user must be able to reach the disks.
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return new MachineRoom(path);
    }

    /// <summary>Starts an agent; the same <paramref name="name"/> again is the same host, restarted.</summary>
    /// <param name="adjust">What a test wants otherwise.</param>
    /// <param name="mounts">False for a restarted one whose datastore is away.</param>
    public async Task<KvmHost> OpenHostAsync(string name, Func<KvmOptions, KvmOptions>? adjust = null, bool mounts = true)
    {
        System.IO.Directory.CreateDirectory(System.IO.Path.Combine(Path, name));
        if (proof is not null)
            File.WriteAllBytes(ProofOf(name), proof);
        var options = new KvmOptions
        {
            HostId = IdOf(name),
            HostName = name,
            StateDirectory = System.IO.Path.Combine(Path, name),
            MigrationAddress = "127.0.0.1",
            Ids = Ids,
            TranslationCacheMib = 32,
        };
        var host = await KvmHost.OpenAsync(adjust?.Invoke(options) ?? options, TestContext.Current.CancellationToken);
        hosts.Add(host);
        if (mounts)
            await ExecuteAsync(host, new MountDatastore(Datastore, "shared", DatastorePath, Mark: true));
        return host;
    }

    /// <summary>Starts a host's agent again and waits until it knows of each machine whether it runs, which on a busy machine is after its start.</summary>
    public async Task<KvmHost> ReopenHostAsync(string name)
    {
        var host = await OpenHostAsync(name);
        await UntilAsync(host, s => s.Machines.All(m => m.Power != PowerState.Unknown));
        return host;
    }

    /// <summary>A center for agents that run as programs, which may take long to answer on a busy machine.</summary>
    public HostLinkConnector NewCenter()
    {
        var options = new HostLinkOptions { ConnectTimeout = Patience, PingTimeout = Patience, AnswerTimeout = Patience };
        var authority = CenterAuthority.Open(System.IO.Path.Combine(Path, "center"), "center", TimeProvider.System, options);
        return new HostLinkConnector(authority, options, TimeProvider.System, NullLogger<HostLinkConnector>.Instance);
    }

    /// <summary>The identity of the host that <see cref="OpenHostAsync"/> opens under a name.</summary>
    public EntityId IdOf(string name) => EntityId.Host(new Guid(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Path + name)).AsSpan(0, 16)));

    public static Task<HostReply> ExecuteAsync(IHost host, HostCommand command) =>
        host.ExecuteAsync(command, progress: null, TestContext.Current.CancellationToken).WaitAsync(Patience);

    /// <summary>Creates a machine whose disk is the ticking guest; it is off.</summary>
    public async Task<HostMachine> CreateTickingAsync(IHost host, string name, params NicSpec[] nics)
    {
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(),
            Name = name,
            Cpus = 1,
            Memory = Bytes.FromMib(32),
            Disks = [new DiskSpec($"{name}.raw", new Bytes(TickingGuest.DiskSize), DiskFormat.Raw)],
            Nics = [.. nics],
        };
        var reply = (MachineReply)await ExecuteAsync(host, new CreateMachine(ConfigOf(name), spec));
        TickingGuest.WriteDisk(DiskOf(name));
        return reply.Machine;
    }

    /// <summary>Creates a machine with a network card whose disk is the echo guest; it is off.</summary>
    public async Task<HostMachine> CreateEchoAsync(IHost host, string name, NicSpec nic)
    {
        var machine = await CreateTickingAsync(host, name, nic);
        EchoGuest.WriteDisk(DiskOf(name));
        return machine;
    }

    /// <summary>Creates and starts a ticking guest.</summary>
    public async Task<HostMachine> StartTickingAsync(IHost host, string name)
    {
        var machine = await CreateTickingAsync(host, name);
        return ((MachineReply)await ExecuteAsync(host, new StartMachine(machine.Id, 0))).Machine;
    }

    public DatastorePath ConfigOf(string name) => new(Datastore, $"{name}/{name}.vmx");

    public string DiskOf(string name) => System.IO.Path.Combine(DatastorePath, name, $"{name}.raw");

    /// <summary>Opens a machine's serial line as lines of text.</summary>
    public static async Task<StreamReader> OpenSerialAsync(IHost host, EntityId machine) =>
        new(await host.OpenAsync(new HostChannel(machine, HostChannelKind.Serial), TestContext.Current.CancellationToken));

    /// <summary>The process ids of every QEMU that this room started and that still lives.</summary>
    public IReadOnlyList<int> LivingProcesses() => Processes(shims: false);

    /// <summary>Ends a QEMU as a fault would: SIGKILL.</summary>
    public static void Kill(int pid)
    {
        using var process = System.Diagnostics.Process.GetProcessById(pid);
        process.Kill();
    }

    /// <summary>Waits until the one QEMU of a host has ended and how is written down. A process without memory may still have its files.</summary>
    public Task EndedAsync(string host) => UntilAsync(
        () => System.IO.Directory.GetFiles(System.IO.Path.Combine(Path, host, "run"), "exit", SearchOption.AllDirectories).Any(f => new FileInfo(f).Length > 0),
        "QEMU has ended, and how is written down");

    /// <summary>Waits until <paramref name="condition"/> holds.</summary>
    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < deadline, $"Not so within {Patience}: {what}.");
            await Task.Delay(10);
        }
    }

    /// <summary>The QEMU that runs for the host of this name.</summary>
    public int ProcessOf(string host) =>
        Assert.Single(LivingProcesses(), p => CommandLineOf($"/proc/{p}").Contains(System.IO.Path.Combine(Path, host, "run")));

    /// <summary>Where the one QEMU of a host has its machine's serial line.</summary>
    public string SerialSocketOf(string host) =>
        Assert.Single(System.IO.Directory.GetFiles(System.IO.Path.Combine(Path, host, "run"), "serial.sock", SearchOption.AllDirectories));

    /// <summary>Waits until a host says of a machine what <paramref name="expected"/> wants.</summary>
    public static async Task UntilAsync(IHost host, EntityId machine, Func<HostMachine, bool> expected) =>
        await WatchUntilAsync(host, s => s.Machines.Any(m => m.Id == machine && expected(m)));

    /// <summary>Lets this machine have been booted since a virtual machine was started: the takings of its lock are of an earlier boot.</summary>
    public void Boot(HostMachine machine)
    {
        var config = System.IO.Path.Combine(DatastorePath, machine.Config.Path);
        var now = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        foreach (var taking in System.IO.Directory.GetFiles(System.IO.Path.GetDirectoryName(config)!, $"{System.IO.Path.GetFileNameWithoutExtension(config)}.lock.*"))
            File.WriteAllText(taking, File.ReadAllText(taking).Replace(now, Guid.NewGuid().ToString(), StringComparison.Ordinal));
    }

    /// <summary>Waits until what a host says is as wanted.</summary>
    public static Task UntilAsync(IHost host, Func<HostSnapshot, bool> expected) => WatchUntilAsync(host, expected);

    /// <summary>Waits until a host does not know a machine.</summary>
    public static async Task RemovedAsync(IHost host, EntityId machine) =>
        await WatchUntilAsync(host, s => s.Machines.All(m => m.Id != machine));

    /// <summary>The next event that a host raises.</summary>
    public static async Task<HostEventRaised> NextEventAsync(IHost host)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        await foreach (var change in host.WatchAsync(limit.Token))
        {
            if (change is HostEventRaised raised)
                return raised;
        }

        throw new InvalidOperationException("The watch ended.");
    }

    private static async Task WatchUntilAsync(IHost host, Func<HostSnapshot, bool> expected)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await foreach (var change in host.WatchAsync(limit.Token))
            {
                if (expected(await host.ObserveAsync(limit.Token)))
                    return;
            }
        }
        catch (OperationCanceledException)
        {
            var last = await host.ObserveAsync(CancellationToken.None);
            Assert.Fail($"Not so within {Patience}; the host says: {string.Join("; ", last.Machines)}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in hosts)
            await host.DisposeAsync();
        foreach (var pid in LivingProcesses())
            Kill(pid);
        if (System.IO.Directory.GetDirectories(Path).Select(host => System.IO.Path.Combine(host, "accelerator.json")).FirstOrDefault(File.Exists) is { } found)
            proof ??= File.ReadAllBytes(found);
        await UntilAsync(() => Processes(shims: true).Count == 0, "every process of the room has ended");
        foreach (var device in NetworkDevices.Of(hosts.Select(h => h.Id)))
            NetworkDevices.Run("ip", "link", "delete", device);
        RemoveControlGroups();
        System.IO.Directory.Delete(Path, recursive: true);
    }

    // Of machines that outlived their agent: their run directories are still there.
    private void RemoveControlGroups()
    {
        var runs = System.IO.Directory.EnumerateDirectories(Path)
            .Select(host => System.IO.Path.Combine(host, "run")).Where(System.IO.Directory.Exists)
            .SelectMany(System.IO.Directory.EnumerateDirectories).Select(r => System.IO.Path.GetFileName(r)).ToArray();
        var groups = File.ReadLines("/proc/mounts").Select(l => l.Split(' ')).Where(f => f[2] is "cgroup" or "cgroup2")
            .Select(f => f[1]).Append(MemoryGroups.OfThisProcess).OfType<string>().Distinct()
            .SelectMany(root => System.IO.Directory.EnumerateDirectories(root, "alveare-*"))
            // Not listed: a test beside this one may be removing its own.
            .SelectMany(parent => runs.Select(run => System.IO.Path.Combine(parent, run))).Where(System.IO.Directory.Exists);
        foreach (var group in groups.ToArray())
        {
            var parent = System.IO.Path.GetDirectoryName(group)!;
            try
            {
                System.IO.Directory.Delete(group);
                if (!System.IO.Directory.EnumerateDirectories(parent).Any())
                    System.IO.Directory.Delete(parent);
            }
            catch (DirectoryNotFoundException)
            {
                // Whatever an agent had begun to remove when it ended it removes.
            }
        }
    }

    private string ProofOf(string host) => System.IO.Path.Combine(Path, host, "accelerator.json");

    private List<int> Processes(bool shims) =>
    [
        .. System.IO.Directory.EnumerateDirectories("/proc")
            .Where(d => int.TryParse(System.IO.Path.GetFileName(d), out _) && IsOurs(CommandLineOf(d), shims))
            .Select(d => int.Parse(System.IO.Path.GetFileName(d))),
    ];

    // What starts QEMUs has the room's path among its arguments too: a QEMU is a process whose program is QEMU.
    private bool IsOurs(string commandLine, bool shims) =>
        commandLine.Contains(Path) && (shims || commandLine.Split('\0')[0].Contains("qemu-system"));

    private static string CommandLineOf(string process)
    {
        try
        {
            return File.ReadAllText(System.IO.Path.Combine(process, "cmdline"));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
