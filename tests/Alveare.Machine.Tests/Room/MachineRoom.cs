using System.Security.Cryptography;
using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>One shared datastore and the host agents of a test, on this machine; leaves no process and no file behind.</summary>
internal sealed class MachineRoom : IAsyncDisposable
{
    private readonly List<KvmHost> hosts = [];
    private readonly List<EntityId> machines = [];

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
    public async Task<KvmHost> OpenHostAsync(string name)
    {
        var host = await KvmHost.OpenAsync(
            new KvmOptions
            {
                HostId = EntityId.Host(new Guid(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Path + name)).AsSpan(0, 16))),
                HostName = name,
                StateDirectory = System.IO.Path.Combine(Path, name),
                MigrationAddress = "127.0.0.1",
                Ids = Ids,
                TranslationCacheMib = 32,
            },
            TestContext.Current.CancellationToken);
        hosts.Add(host);
        await ExecuteAsync(host, new MountDatastore(Datastore, "shared", DatastorePath));
        return host;
    }

    public static Task<HostReply> ExecuteAsync(IHost host, HostCommand command) =>
        host.ExecuteAsync(command, progress: null, TestContext.Current.CancellationToken);

    /// <summary>Creates a machine whose disk is the ticking guest; it is off.</summary>
    public async Task<HostMachine> CreateTickingAsync(IHost host, string name)
    {
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(),
            Name = name,
            Cpus = 1,
            Memory = Bytes.FromMib(32),
            Disks = [new DiskSpec($"{name}.raw", new Bytes(TickingGuest.DiskSize), DiskFormat.Raw)],
        };
        var reply = (MachineReply)await ExecuteAsync(host, new CreateMachine(ConfigOf(name), spec));
        TickingGuest.WriteDisk(DiskOf(name));
        machines.Add(reply.Machine.Id);
        return reply.Machine;
    }

    public DatastorePath ConfigOf(string name) => new(Datastore, $"{name}/{name}.vmx");

    public string DiskOf(string name) => System.IO.Path.Combine(DatastorePath, name, $"{name}.raw");

    /// <summary>Opens a machine's serial line as lines of text.</summary>
    public static async Task<StreamReader> OpenSerialAsync(IHost host, EntityId machine) =>
        new(await host.OpenAsync(new HostChannel(machine, HostChannelKind.Serial), TestContext.Current.CancellationToken));

    /// <summary>The process ids of every QEMU that this room started and that still lives.</summary>
    public IReadOnlyList<int> LivingProcesses() =>
    [
        .. System.IO.Directory.EnumerateDirectories("/proc")
            .Where(d => int.TryParse(System.IO.Path.GetFileName(d), out _) && CommandLineOf(d).Contains("qemu-system") && CommandLineOf(d).Contains(Path))
            .Select(d => int.Parse(System.IO.Path.GetFileName(d))),
    ];

    public async ValueTask DisposeAsync()
    {
        foreach (var host in hosts)
            await host.DisposeAsync();
        foreach (var pid in LivingProcesses())
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            process.Kill();
            await process.WaitForExitAsync();
        }

        System.IO.Directory.Delete(Path, recursive: true);
    }

    private static string CommandLineOf(string process)
    {
        try
        {
            // The shim carries QEMU's arguments too: only the process whose program is QEMU counts.
            var text = File.ReadAllText(System.IO.Path.Combine(process, "cmdline"));
            return text.Split('\0')[0].Contains("qemu-system") ? text : "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
