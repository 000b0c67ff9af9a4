using System.Globalization;
using Alveare.Lab.Layout;
using Alveare.Lab.Programs;
using Alveare.Lab.Site;
using Alveare.Lab.Traffic;
using Alveare.Wire.Rest;

namespace Alveare.Lab;

/// <summary>What <c>./alveare lab</c> does: brings the lab up, deploys a machine and moves it live over all hosts while a client holds one
/// connection to it. Everything that is there already is kept.</summary>
internal sealed class Demo(LabPlan plan, string guestCache, Report report)
{
    private const string MachineName = "demo-1";

    private readonly LabInstance _lab = new(plan);

    // What the machine is called by now.
    private string _name = MachineName;

    /// <summary>One live migration as both sides saw it.</summary>
    private sealed record Hop(string From, string To, MigrationFiguresDto? Figures, TimeSpan Gap);

    public async Task RunAsync()
    {
        await _lab.PrepareAsync();
        report.Step("network", $"{plan.Namespaces.Count()} namespaces, management {plan.Management}.0/24, uplink {plan.Uplink}.0/24");
        // Beside the start of the programs: what costs most when nothing is cached.
        var image = TemplateFiles.ArePlaced(plan) ? null : BuildGuestAsync();
        var started = await _lab.EnsureProgramsAsync();
        report.Step("programs", started.Count == 0 ? "center and hosts run already" : $"started {string.Join(", ", started)}");
        using var site = await _lab.LogInAsync();
        await MakeSiteAsync(site, image);
        await PowerOnAsync(site);
        await using var client = await EchoConnection.OpenAsync(plan.Client, Address, TimeSpan.FromSeconds(60));
        await RequireEchoAsync(client, "before the first migration");
        report.Step("client", $"one TCP connection from namespace {plan.Client} to {Address}, a line every 10 ms, each byte of the echo checked");
        var hops = await MoveAsync(site, client);
        var lost = await client.FinishAsync(TimeSpan.FromSeconds(15));
        await SummarizeAsync(site, hops, client, lost);
        if (lost != 0 || client.Wrong != 0)
            throw new LabException($"The client lost {lost} bytes and got {client.Wrong} wrong ones: {client.Broken ?? "the connection is open"}.");
    }

    private string Address => plan.GuestAddress(10);

    private async Task<string> BuildGuestAsync()
    {
        var path = (await Command.RunAsync(Path.Combine(Built.Checkout, "guest", "build"), [guestCache])).Trim();
        report.Step("guest", string.Create(CultureInfo.InvariantCulture, $"disk image of {new FileInfo(path).Length / 1e6:0} MB from Debian's packages"));
        return path;
    }

    private async Task MakeSiteAsync(LabSite site, Task<string>? image)
    {
        await site.EnsureDatacenterAsync();
        foreach (var host in plan.Hosts)
        {
            if (await site.EnsureHostAsync(host))
                report.Step("host", $"{host} joined at {plan.AddressOf(host, plan.Management)}");
        }

        await site.EnsureStorageAndNetworkAsync();
        await site.HostsReadyAsync();
        report.Step("site", $"{plan.Hosts.Count} hosts connected, datastore '{LabSite.DatastoreName}', port group '{LabSite.PortGroupName}' (VXLAN {plan.Vni})");
        if (image is not null)
            TemplateFiles.Place(plan, await image);
        var template = await site.EnsureTemplateAsync();
        _name = (await site.EnsureMachineAsync(MachineName, template, Address, plan.Hosts[0])).Name;
        report.Step("deploy", $"'{_name}' from template 'alveare-guest' with address {Address}");
    }

    private async Task PowerOnAsync(LabSite site)
    {
        var machine = await site.MachineAsync(_name);
        if (machine.Power != "on")
            await site.RunAsync("vm.power-on", machine.Id);
        await site.GuestReadyAsync(_name, Address);
        report.Step("power on", $"'{_name}' runs on {await site.HostNameOfAsync(await site.MachineAsync(_name))}, its guest agent says {Address}");
    }

    /// <summary>Round all hosts and back to where it began.</summary>
    private async Task<List<Hop>> MoveAsync(LabSite site, EchoConnection client)
    {
        var hops = new List<Hop>();
        for (var i = 0; i < plan.Hosts.Count; i++)
        {
            var machine = await site.MachineAsync(_name);
            var from = await site.HostNameOfAsync(machine);
            var to = plan.Hosts[(plan.Hosts.ToList().IndexOf(from) + 1) % plan.Hosts.Count];
            client.RestartGap();
            var task = await site.StartMigrationAsync(machine.Id, to);
            while (!task.HasEnded)
            {
                report.Moving("migrate", $"{from} -> {to}  {Progress(task)}");
                task = await site.TaskAsync(task.Id, 1);
            }

            if (task.State != "succeeded")
                throw new LabException($"Moving '{_name}' from {from} to {to} ended as {task.State}: {task.Fault?.Message}");
            await RequireEchoAsync(client, $"after moving from {from} to {to}");
            hops.Add(new Hop(from, to, task.Figures, client.LongestGap));
            report.Step("migrate", $"{from} -> {to}  {Describe(hops[^1])}");
        }

        return hops;
    }

    private static async Task RequireEchoAsync(EchoConnection client, string when)
    {
        // A second's worth of lines.
        if (!await client.EchoedAsync(900, TimeSpan.FromSeconds(30)))
            throw new LabException($"The client's connection does not go on {when}: {client.Broken ?? "nothing came back for 30 s"}.");
    }

    private static string Progress(TaskDto task) => task.Migration is { } m
        ? string.Create(CultureInfo.InvariantCulture, $"{m.Phase}, {task.Percent ?? 0:0} %, {m.BytesPerSecond / 1e6:0} MB/s, {m.Remaining / 1048576} MiB remain")
        : $"{task.Step}";

    private static string Describe(Hop hop) => hop.Figures is { } figures
        ? $"in {Seconds(figures.Total)}, guest paused {Milliseconds(figures.Pause)}, longest silence at the client {Milliseconds(hop.Gap)}"
        : $"longest silence at the client {Milliseconds(hop.Gap)}";

    private async Task SummarizeAsync(LabSite site, List<Hop> hops, EchoConnection client, long lost)
    {
        var machines = (await site.Client.ListAsync<VmDto>("vms", CancellationToken.None)).Count(m => m.Spec is { IsTemplate: false });
        report.Line();
        report.Table(
            ["from", "to", "total", "pause of the guest", "pause seen by the client"],
            hops.Select(h => (IReadOnlyList<string>)
                [h.From, h.To, Seconds(h.Figures?.Total), Milliseconds(h.Figures?.Pause), Milliseconds(h.Gap)]));
        report.Line();
        report.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"  {plan.Hosts.Count} hosts, {machines} virtual machine{(machines == 1 ? "" : "s")}, {hops.Count} live migrations, {client.Received:N0} bytes echoed over one connection, lost bytes = {lost}, wrong bytes = {client.Wrong}"));
        report.Line();
        report.Line($"  The lab runs on: {plan.Url}  user admin  password {_lab.Password}  (in {plan.PasswordFile})");
        report.Line("  To use it:       eval \"$(./alveare lab env)\" && ./alveare vm list");
        report.Line("  To end it:       ./alveare lab stop");
    }

    private static string Milliseconds(TimeSpan? span) =>
        span is { } s ? string.Create(CultureInfo.InvariantCulture, $"{s.TotalMilliseconds:0} ms") : "-";

    private static string Seconds(TimeSpan? span) =>
        span is { } s ? string.Create(CultureInfo.InvariantCulture, $"{s.TotalSeconds:0.0} s") : "-";
}
