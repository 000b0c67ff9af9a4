using System.Globalization;
using System.Security.Cryptography;
using Alveare.Lab.Layout;
using Alveare.Lab.Networks;
using Alveare.Lab.Programs;
using Alveare.Lab.Site;

namespace Alveare.Lab;

/// <summary>A whole lab on this machine: its networks, its center and its hosts, each a process in namespaces of its own.</summary>
public sealed class LabInstance
{
    public LabInstance(LabPlan plan)
    {
        Plan = plan;
        Network = new LabNetwork(plan);
        Center = new LabProgram(plan, "center", plan.Center, "Alveare.Center");
        Hosts = plan.Hosts.ToDictionary(name => name, name => new LabProgram(plan, name, plan.NamespaceOf(name), "Alveare.Host"));
    }

    public LabPlan Plan { get; }

    public LabNetwork Network { get; }

    public LabProgram Center { get; }

    public IReadOnlyDictionary<string, LabProgram> Hosts { get; }

    public IEnumerable<LabProgram> Programs => [Center, .. Hosts.Values];

    /// <summary>Password of the user <c>admin</c>, and of hosts that wait to be joined.</summary>
    public string Password => File.ReadAllText(Plan.PasswordFile).Trim();

    /// <summary>Makes directories and networks, unless they are there. Networks that are broken are built anew, and programs in them end.</summary>
    public async Task PrepareAsync()
    {
        // Others pass through: QEMU's user reaches its files below here.
        Directory.CreateDirectory(Plan.State);
        File.SetUnixFileMode(Plan.State, (UnixFileMode)0b111_101_101);
        Directory.CreateDirectory(Plan.SharedDirectory);
        Directory.CreateDirectory(Plan.MountPoint);
        Directory.CreateDirectory(Plan.TemporaryDirectory);
        await MemoryMount.EnsureAsync(Plan.RunMount);
        if (!File.Exists(Plan.PasswordFile))
            WritePassword();
        if (Network.Exists)
            return;
        await new LabEnd(Plan).EndProcessesAsync();
        await Network.BuildAsync();
    }

    /// <summary>Starts the center unless it runs; answers whether it was started.</summary>
    public Task<bool> EnsureCenterAsync() => Center.EnsureAsync(
        ["--state", Center.State, "--listen", $"{Plan.CenterAddress}:8443", "--name", Plan.Name, "--ca-file", Plan.AuthorityFile],
        new Dictionary<string, string> { ["ALVEARE_ADMIN_PASSWORD"] = Password });

    /// <summary>Starts a host's agent unless it runs; answers whether it was started.</summary>
    public Task<bool> EnsureHostAsync(string name) => Hosts[name].EnsureAsync(
        [
            "--state", Hosts[name].State, "--run", Plan.RunOf(name), "--listen", $"{Plan.AddressOf(name, Plan.Management)}:7443", "--name", name, "--uplink", "uplink0",
            "--migration-address", Plan.AddressOf(name, Plan.Uplink), "--password-file", Plan.PasswordFile,
            "--statistics-interval", Plan.StatisticsSeconds.ToString(CultureInfo.InvariantCulture),
        ],
        new Dictionary<string, string>());

    /// <summary>Starts all programs that do not run, at the same time; answers the names of those that were started.</summary>
    public async Task<IReadOnlyList<string>> EnsureProgramsAsync()
    {
        var started = await Task.WhenAll(
            Plan.Hosts.Select(async name => (name, Started: await EnsureHostAsync(name)))
                .Append(Task.Run(async () => (name: Center.Name, Started: await EnsureCenterAsync()))));
        return [.. started.Where(s => s.Started).Select(s => s.name)];
    }

    /// <summary>Logs in at the center.</summary>
    public async Task<LabSite> LogInAsync()
    {
        var site = new LabSite(this);
        await site.LogInAsync();
        return site;
    }

    private void WritePassword()
    {
        var fresh = Plan.PasswordFile + ".new";
        using (var stream = new FileStream(fresh, new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            stream.Write(System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)) + "\n"));
        }

        File.Move(fresh, Plan.PasswordFile, overwrite: true);
    }
}
