using System.Globalization;
using Alveare.Cli.Client;
using Alveare.Lab.Layout;
using Alveare.Wire.Rest;

namespace Alveare.Lab;

/// <summary>What <c>./alveare lab status</c> prints.</summary>
internal static class LabStatus
{
    /// <summary>Answers whether the lab is whole: every program runs and every host is connected.</summary>
    public static async Task<bool> PrintAsync(LabPlan plan, Report report)
    {
        var lab = new LabInstance(plan);
        if (LabClaim.OwnerOf(plan) is null || !Directory.Exists(plan.State))
        {
            report.Line("There is no lab. Start one: ./alveare lab");
            return false;
        }

        report.Table(["program", "process", "state", "log"], lab.Programs.Select(p => (IReadOnlyList<string>)
            [p.Name, p.Process?.Pid.ToString(CultureInfo.InvariantCulture) ?? "-", p.IsRunning ? "runs" : "dead", plan.LogOf(p.Name)]));
        report.Line();
        var whole = lab.Network.Exists && lab.Programs.All(p => p.IsRunning);
        if (!lab.Center.IsRunning)
            return Broken(report);
        try
        {
            using var site = await lab.LogInAsync();
            var hosts = await site.Client.ListAsync<HostDto>("hosts", CancellationToken.None);
            report.Table(["host", "address", "connection", "problem"], hosts.Select(h => (IReadOnlyList<string>)[h.Name, h.Address, h.Connection, h.Problem ?? "-"]));
            report.Line();
            var names = hosts.ToDictionary(h => h.Id, h => h.Name);
            report.Table(["virtual machine", "power", "host", "addresses"], (await site.Client.ListAsync<VmDto>("vms", CancellationToken.None)).Select(m => (IReadOnlyList<string>)
            [
                m.Name,
                m.Spec is { IsTemplate: true } ? "template" : m.Power,
                m.Host is { } host ? names.GetValueOrDefault(host, host) : "-",
                m.Guest is { Addresses: [_, ..] addresses } ? string.Join(' ', addresses) : "-",
            ]));
            return (whole && hosts.Count == plan.Hosts.Count && hosts.All(h => h.Connection == "connected")) || Broken(report);
        }
        catch (Exception e) when (e is NotReachableException or RestFaultException)
        {
            report.Line(e.Message);
            return Broken(report);
        }
    }

    private static bool Broken(Report report)
    {
        report.Line("\nThe lab is not whole. To mend it: ./alveare lab");
        return false;
    }
}
