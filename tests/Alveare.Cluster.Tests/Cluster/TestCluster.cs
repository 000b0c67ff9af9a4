using System.Diagnostics;
using System.Text.Json;
using Alveare.Lab;
using Alveare.Lab.Layout;
using Alveare.Lab.Programs;
using Alveare.Lab.Site;
using Alveare.Lab.Traffic;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Cluster;

/// <summary>One small cluster for all tests: a center and three hosts in namespaces, and one machine with a connection to it. A test may break
/// anything of it, and <see cref="MendAsync"/> makes it whole again.</summary>
public sealed class TestCluster : IAsyncLifetime
{
    private const string MachineName = "m1";

    private LabClaim? _claim;
    private LabSite? _site;
    private EchoConnection? _client;

    /// <summary>Why there is no cluster, or null.</summary>
    private string? _missing;

    private static LabPlan NewPlan(string state) => new()
    {
        // Beside a lab that may run on this machine: other names, and other addresses where this machine itself takes part.
        Name = "alt", State = state, Management = "198.18.8", Uplink = "198.18.9", GuestMemoryMib = 96, StatisticsSeconds = 1,
    };

    public LabPlan Plan { get; private set; } = NewPlan("/tmp/alveare-cluster-tests");

    public LabInstance Lab { get; private set; } = null!;

    public LabSite Site => _site!;

    public EchoConnection Client => _client!;

    public string Address => Plan.GuestAddress(20);

    public async ValueTask InitializeAsync()
    {
        _missing = WhatIsMissing();
        if (_missing is not null)
            return;
        await RemoveLeftoversAsync();
        Plan = NewPlan(Directory.CreateTempSubdirectory("alt-").FullName);
        _claim = LabClaim.Take(Plan);
        Lab = new LabInstance(Plan);
        try
        {
            await Lab.PrepareAsync();
            TemplateFiles.Place(Plan, await BuildGuestAsync());
            await Lab.EnsureProgramsAsync();
            _site = await Lab.LogInAsync();
            await Site.EnsureDatacenterAsync();
            foreach (var host in Plan.Hosts)
                await Site.EnsureHostAsync(host);
            await Site.EnsureStorageAndNetworkAsync();
            await Site.HostsReadyAsync();
            var template = await Site.EnsureTemplateAsync();
            await Site.EnsureMachineAsync(MachineName, template, Address, Plan.Hosts[0], linked: true);
            await MendAsync();
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        _site?.Dispose();
        if (_claim is null)
            return;
        KeepLogs();
        await new LabEnd(Plan).RemoveAsync();
        _claim.Release();
        _claim.Dispose();
        _claim = null;
    }

    /// <summary>Skips the test where there can be no cluster; else makes it whole: every program runs, every cable is plugged, every host is
    /// connected, the machine runs and its echo service answers on the cluster's connection.</summary>
    public async Task MendAsync()
    {
        if (_missing is not null)
            Assert.Skip(_missing);
        await RepairAsync();
        await Site.HostsReadyAsync();
        var machine = await SettledAsync();
        if (machine.Power == "off")
            await Site.RunAsync("vm.power-on", machine.Id);
        if (_client is { Broken: null } && await _client.EchoedAsync(90, TimeSpan.FromSeconds(5)))
            return;
        if (_client is not null)
            await _client.DisposeAsync();
        _client = await EchoConnection.OpenAsync(Plan.Client, Address, Until.Patience);
        Assert.True(await _client.EchoedAsync(90, Until.Patience), "The guest's echo service does not answer.");
    }

    /// <summary>Plugs every cable, starts every program that does not run, wakes those that were stopped, and logs in again.</summary>
    public async Task RepairAsync()
    {
        foreach (var host in Plan.Hosts)
        {
            await Lab.Network.CutManagementAsync(host, cut: false);
            await Lab.Network.CutUplinkAsync(host, cut: false);
            Lab.Hosts[host].Process?.Signal(LinuxSignal.Continue);
        }

        if ((await Lab.EnsureProgramsAsync()).Contains(Lab.Center.Name))
            await LogInAgainAsync();
    }

    public async Task LogInAgainAsync()
    {
        _site?.Dispose();
        _site = await Lab.LogInAsync();
    }

    public Task<VmDto> MachineAsync() => Site.MachineAsync(MachineName);

    public async Task<string> HostOfMachineAsync() => await Site.HostNameOfAsync(await MachineAsync());

    /// <summary>Waits until nothing is being done to a machine of any test and a connected host speaks for it.</summary>
    public Task FreeAsync(string name) => Until.TrueAsync(
        async () => await Site.MachineAsync(name) is { BusyTask: null, IsStale: false }, () => $"nothing works on {name} any more");

    /// <summary>The machine once nothing is being done to it and a connected host speaks for it.</summary>
    public async Task<VmDto> SettledAsync()
    {
        var machine = await MachineAsync();
        await Until.TrueAsync(
            async () => (machine = await MachineAsync()) is { BusyTask: null, IsStale: false, Host: not null, Power: "on" or "off" } && await IsTrueAsync(machine),
            () => $"the machine is settled: it is {machine}, and QEMUs live on [{string.Join(' ', HostsWithQemu(machine))}]");
        return machine;
    }

    // A QEMU may have ended since its host told of it last.
    private async Task<bool> IsTrueAsync(VmDto machine) =>
        HostsWithQemu(machine).SequenceEqual(machine.Power == "on" ? [await Site.HostNameOfAsync(machine)] : []);

    /// <summary>The machine's QEMU on a host, alive, or null.</summary>
    public ProcessIdentity? QemuOn(string host, VmDto machine)
    {
        var pidFile = Path.Combine(RunDirectory(host, machine), "pid");
        try
        {
            return File.ReadAllText(pidFile) is var text && text.EndsWith('\n') ? ProcessIdentity.Of(int.Parse(text)) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The hosts on which a QEMU of the machine lives.</summary>
    public IReadOnlyList<string> HostsWithQemu(VmDto machine) => [.. Plan.Hosts.Where(h => QemuOn(h, machine) is not null)];

    public string RunDirectory(string host, VmDto machine) =>
        Path.Combine(Plan.RunOf(host), machine.Spec!.Uuid.ToString("N"));

    /// <summary>Id of the host that the newest record of the on-disk lock names, or null when it is free.</summary>
    public string? LockOwner()
    {
        var directory = Path.Combine(Plan.SharedDirectory, MachineName);
        while (true)
        {
            var newest = Directory.EnumerateFiles(directory, $"{MachineName}.lock.*")
                .MaxBy(f => long.TryParse(Path.GetExtension(f).TrimStart('.'), out var epoch) ? epoch : 0);
            try
            {
                var content = File.ReadAllText(newest!);
                // Released.
                if (content.Length == 0)
                    return null;
                using var record = JsonDocument.Parse(content);
                return record.RootElement.TryGetProperty("owner", out var owner) ? owner.GetString() : null;
            }
            catch (FileNotFoundException)
            {
                // Superseded since it was listed.
            }
        }
    }

    private static string? WhatIsMissing()
    {
        if (!Environment.IsPrivilegedProcess)
            return "The cluster tests need root: they make network namespaces and run virtual machines.";
        return new[] { "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-img", "/usr/bin/mformat" }.FirstOrDefault(p => !File.Exists(p)) is { } program
            ? $"The cluster tests need {program}."
            : null;
    }

    // A run that was killed leaves its cluster; the next one ends it.
    private static async Task RemoveLeftoversAsync()
    {
        var plan = NewPlan("/tmp/alveare-cluster-tests");
        if (LabClaim.OwnerOf(plan) is not { } owner)
            return;
        var left = plan with { State = owner };
        using var claim = LabClaim.Take(left);
        await new LabEnd(left).RemoveAsync();
        claim.Release();
    }

    private static async Task<string> BuildGuestAsync()
    {
        var cache = Environment.GetEnvironmentVariable("ALVEARE_GUEST_CACHE") is { Length: > 0 } given ? given : "/var/cache/alveare";
        using var build = Process.Start(new ProcessStartInfo(Path.Combine(Built.Checkout, "guest", "build"), [cache]) { RedirectStandardOutput = true })!;
        var path = (await build.StandardOutput.ReadToEndAsync()).Trim();
        await build.WaitForExitAsync();
        return build.ExitCode == 0 ? path : throw new LabException("The guest's disk cannot be built; its message is above.");
    }

    // Where somebody asked for them: the programs' logs of a cluster that is about to go.
    private void KeepLogs()
    {
        if (Environment.GetEnvironmentVariable("ALVEARE_TEST_LOGS") is not { Length: > 0 } place)
            return;
        Directory.CreateDirectory(place);
        foreach (var log in Directory.EnumerateFiles(Plan.State, "*.log"))
            File.Copy(log, Path.Combine(place, Path.GetFileName(log)), overwrite: true);
    }
}
