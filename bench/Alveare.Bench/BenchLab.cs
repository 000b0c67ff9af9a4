using System.Text.Json.Nodes;
using Alveare.Lab;
using Alveare.Lab.Layout;
using Alveare.Lab.Programs;
using Alveare.Lab.Site;
using Alveare.Wire.Rest;

namespace Alveare.Bench;

/// <summary>A lab of the bench's own beside any other on this machine: a center, three hosts, and a client. Gone when disposed.</summary>
internal sealed class BenchLab : IAsyncDisposable
{
    private BenchLab(LabInstance instance, LabClaim claim) => (Instance, Claim) = (instance, claim);

    public LabInstance Instance { get; }

    public LabPlan Plan => Instance.Plan;

    public LabSite Site { get; private set; } = null!;

    private LabClaim Claim { get; }

    public static async Task<BenchLab> StartAsync()
    {
        var plan = new LabPlan { Name = "alvb", State = "/run/alveare-bench", Management = "198.18.12", Uplink = "198.18.13", Guests = "198.18.14", Vni = 900 };
        var lab = new BenchLab(new LabInstance(plan), LabClaim.Take(plan));
        try
        {
            await new LabEnd(plan).RemoveAsync();
            await lab.Instance.PrepareAsync();
            await lab.Instance.EnsureProgramsAsync();
            lab.Site = await lab.Instance.LogInAsync();
            await lab.Site.EnsureDatacenterAsync();
            foreach (var host in plan.Hosts)
                await lab.Site.EnsureHostAsync(host);
            await lab.Site.EnsureStorageAndNetworkAsync();
            await lab.Site.HostsReadyAsync();
            // Machines start where they were made: what is measured is on the host that a measure names.
            var cluster = (await lab.Site.Client.ListAsync<ObjectDto>($"clusters?name={LabSite.ClusterName}", CancellationToken.None))[0];
            await lab.Site.RunAsync("cluster.set-balancing", cluster.Id, new JsonObject { ["mode"] = "manual" });
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>The built guest's disk image; built now when it is not there.</summary>
    public static async Task<string> GuestImageAsync()
    {
        var cache = Environment.GetEnvironmentVariable("ALVEARE_GUEST_CACHE") is { Length: > 0 } given ? given : "/var/cache/alveare";
        return (await Command.RunAsync(Path.Combine(Built.Checkout, "guest", "build"), [cache])).Trim();
    }

    /// <summary>Creates a machine through the API.</summary>
    /// <param name="diskMib">Capacity of its one disk; 0 for none.</param>
    public async Task<VmDto> CreateAsync(string name, string host, int memoryMib, int diskMib)
    {
        var store = (await Site.Client.ListAsync<DatastoreDto>("datastores", CancellationToken.None))[0];
        var body = new JsonObject
        {
            ["name"] = name,
            ["datastore"] = store.Id,
            ["location"] = await Site.HostIdAsync(host),
            ["memory"] = (long)memoryMib << 20,
            ["disks"] = diskMib == 0 ? [] : new JsonArray((long)diskMib << 20),
        };
        var task = await Site.RunAsync("datacenter.create-vm", Site.Datacenter, body);
        return await Site.Client.GetAsync<VmDto>($"vms/{task.Result}", CancellationToken.None);
    }

    /// <summary>Where a host keeps what it needs of a running machine.</summary>
    public string RunDirectory(string host, VmDto machine) => Path.Combine(Plan.RunOf(host), machine.Spec!.Uuid.ToString("N"));

    /// <summary>The arguments a host started a machine's QEMU with.</summary>
    public IReadOnlyList<string> CommandOf(string host, VmDto machine)
    {
        var pid = File.ReadAllText(Path.Combine(RunDirectory(host, machine), "pid")).Trim();
        return File.ReadAllText($"/proc/{pid}/cmdline").TrimEnd('\0').Split('\0');
    }

    public async ValueTask DisposeAsync()
    {
        Site?.Dispose();
        await new LabEnd(Plan).RemoveAsync();
        Claim.Release();
        Claim.Dispose();
    }
}
