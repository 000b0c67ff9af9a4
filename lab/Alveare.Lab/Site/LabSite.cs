using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alveare.Cli.Client;
using Alveare.Lab.Programs;
using Alveare.Wire.Rest;

namespace Alveare.Lab.Site;

/// <summary>The lab's site as a user of the REST API sees it, and the steps that make it: each does nothing when it was done before.</summary>
public sealed class LabSite(LabInstance lab) : IDisposable
{
    public const string DatacenterName = "lab";
    public const string ClusterName = "cluster";
    public const string DatastoreName = "shared";
    public const string PortGroupName = "guests";

    private readonly RestClient _client = new(new Uri(lab.Plan.Url), lab.Plan.AuthorityFile);

    public RestClient Client => _client;

    public string Datacenter { get; private set; } = "";

    public async Task LogInAsync()
    {
        await _client.LogInAsync("admin", lab.Password, CancellationToken.None);
        Datacenter = (await FindAsync<ObjectDto>("datacenters", DatacenterName))?.Id ?? "";
    }

    public async Task EnsureDatacenterAsync()
    {
        Datacenter = await EnsureAsync<ObjectDto>("datacenters", DatacenterName, "site.create-datacenter", "", new JsonObject { ["name"] = DatacenterName });
        await EnsureAsync<ObjectDto>("clusters", ClusterName, "datacenter.create-cluster", Datacenter, new JsonObject { ["name"] = ClusterName });
    }

    /// <summary>Joins a host by what its ready line says, unless it is joined; answers whether it was joined now.</summary>
    public async Task<bool> EnsureHostAsync(string name)
    {
        if (await FindAsync<HostDto>("hosts", name) is not null)
            return false;
        var ready = await lab.Hosts[name].ReadyAsync();
        var cluster = await FindAsync<ObjectDto>("clusters", ClusterName);
        await RunAsync("datacenter.join-host", Datacenter, new JsonObject
        {
            ["address"] = ready["address"],
            ["name"] = name,
            ["fingerprint"] = ready["fingerprint"],
            ["user"] = ready["user"],
            ["password"] = lab.Password,
            ["cluster"] = cluster!.Id,
        });
        return true;
    }

    public async Task EnsureStorageAndNetworkAsync()
    {
        await EnsureAsync<DatastoreDto>("datastores", DatastoreName, "datacenter.create-datastore", Datacenter, new JsonObject
        {
            ["name"] = DatastoreName, ["path"] = lab.Plan.MountPoint,
        });
        await EnsureAsync<PortGroupDto>("portgroups", PortGroupName, "datacenter.create-portgroup", Datacenter, new JsonObject
        {
            ["name"] = PortGroupName, ["vni"] = lab.Plan.Vni,
        });
    }

    /// <summary>Waits until every host is connected and offers the datastore and the port group.</summary>
    public Task HostsReadyAsync() => UntilAsync(
        async () => (await _client.ListAsync<HostDto>("hosts", CancellationToken.None)) is var hosts && hosts.Count == lab.Plan.Hosts.Count && hosts.All(IsReady),
        async () => string.Join("; ", (await _client.ListAsync<HostDto>("hosts", CancellationToken.None)).Select(Describe)));

    /// <summary>Registers the template, whose files are in the datastore, unless it is registered, whatever it is called by now.</summary>
    public async Task<string> EnsureTemplateAsync()
    {
        if (await FindByFilesAsync(TemplateFiles.Config) is { } known)
            return known.Id;
        var store = await FindAsync<DatastoreDto>("datastores", DatastoreName);
        var task = await RunAsync("datacenter.register-vm", Datacenter, new JsonObject { ["datastore"] = store!.Id, ["path"] = TemplateFiles.Config });
        return task.Result!;
    }

    /// <summary>Deploys a machine from the template with a static address, unless it is there, whatever it is called by now.</summary>
    public async Task<VmDto> EnsureMachineAsync(string name, string template, string address, string host, bool linked = false)
    {
        if (await FindByFilesAsync($"{name}/{name}.vmx") is { } known)
            return known;
        await RunAsync("vm.clone", template, new JsonObject
        {
            ["name"] = name,
            ["kind"] = linked ? "linked" : "full",
            ["location"] = await HostIdAsync(host),
            ["memory"] = (long)lab.Plan.GuestMemoryMib << 20,
            ["portGroups"] = new JsonArray(PortGroupName),
            ["customization"] = new JsonObject { ["hostName"] = name, ["address"] = $"{address}/24" },
        });
        return await MachineAsync(name);
    }

    public async Task<VmDto> MachineAsync(string name) =>
        await FindAsync<VmDto>("vms", name) ?? throw new LabException($"The site has no virtual machine '{name}'.");

    public async Task<string> HostIdAsync(string name) => (await HostAsync(name)).Id;

    public async Task<HostDto> HostAsync(string name) =>
        await FindAsync<HostDto>("hosts", name) ?? throw new LabException($"The site has no host '{name}'.");

    public async Task<string> HostNameOfAsync(VmDto machine) =>
        machine.Host is null ? "-" : (await _client.ListAsync<HostDto>("hosts", CancellationToken.None)).First(h => h.Id == machine.Host).Name;

    /// <summary>Waits until the guest's agent says that it has the address.</summary>
    public Task GuestReadyAsync(string name, string address) => UntilAsync(
        async () => (await MachineAsync(name)).Guest?.Addresses.Contains(address) ?? false,
        async () => $"virtual machine '{name}' says {JsonSerializer.Serialize((await MachineAsync(name)).Guest?.Addresses, JsonSerializerOptions.Web)}, expected {address}");

    /// <summary>Runs an operation to its end; a task that fails is a <see cref="LabException"/> with its fault's sentence.</summary>
    public async Task<TaskDto> RunAsync(string operation, string target, JsonObject? body = null)
    {
        var task = await _client.RunAsync(operation, target, body, CancellationToken.None);
        return task.State == "succeeded" ? task : throw new LabException($"{operation} ended as {task.State}: {task.Fault?.Message}");
    }

    /// <summary>Starts a live migration and answers its task.</summary>
    /// <param name="bandwidthLimit">Bytes per second, 0 for none.</param>
    public async Task<TaskDto> StartMigrationAsync(string machine, string host, long bandwidthLimit = 0) =>
        RestClient.As<TaskDto>(await _client.SubmitAsync(
            "vm.migrate", machine, new JsonObject { ["host"] = await HostIdAsync(host), ["bandwidthLimit"] = bandwidthLimit }, 0, CancellationToken.None));

    public async Task<TaskDto> TaskAsync(string id, int wait) => RestClient.As<TaskDto>(await _client.WaitAsync(id, wait, CancellationToken.None));

    public void Dispose() => _client.Dispose();

    private async Task<string> EnsureAsync<T>(string list, string name, string operation, string target, JsonObject body)
        where T : ObjectDto
    {
        if (await FindAsync<T>(list, name) is { } known)
            return known.Id;
        var task = await RunAsync(operation, target, body);
        return task.Result ?? (await FindAsync<T>(list, name))!.Id;
    }

    private async Task<VmDto?> FindByFilesAsync(string config) =>
        (await _client.ListAsync<VmDto>("vms", CancellationToken.None)).FirstOrDefault(m => m.Config.Path == config);

    private async Task<T?> FindAsync<T>(string list, string name)
        where T : ObjectDto =>
        await _client.ListAsync<T>($"{list}?name={Uri.EscapeDataString(name)}", CancellationToken.None) is [var found, ..] ? found : null;

    private static bool IsReady(HostDto host) =>
        host.Connection == "connected" && host.PortGroups.Contains(PortGroupName) && host.Datastores.Any(d => d.Name == DatastoreName && d.Problem is null);

    private static string Describe(HostDto host) => string.Create(
        CultureInfo.InvariantCulture,
        $"host {host.Name} is {host.Connection}{(host.Problem is null ? "" : $" ({host.Problem})")} with {host.Datastores.Count} datastores and {host.PortGroups.Count} port groups");

    private static async Task UntilAsync(Func<Task<bool>> condition, Func<Task<string>> state)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > LabProgram.Patience)
                throw new LabException($"Not ready within {LabProgram.Patience.TotalSeconds:0} s: {await state()}.");
            await Task.Delay(100);
        }
    }
}
