using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Planning.Placement;

namespace Alveare.Core.Site;

/// <summary>The CPU baselines of clusters, which every host that is in one can give.</summary>
internal sealed class CpuBaselineOperations(InventoryWriter inventory)
{
    public void Register(TaskEngine tasks) => tasks.Handle<SetCpuBaseline>(SetAsync);

    /// <summary>A fault when a host that said what it is cannot be in this place, or what runs on it could not go on moving there. One that has said nothing
    /// yet is asked again when it has.</summary>
    public static void Require(InventorySnapshot now, Host host, Entity into)
    {
        if (into is not Cluster { CpuBaseline: not null } cluster)
            return;
        RequireCapable(host, cluster, cluster.CpuBaseline);
        RequireCovered(now, cluster, cluster.CpuBaseline, [host]);
    }

    private Task SetAsync(SetCpuBaseline operation, TaskContext context) => inventory.ApplyAsync(now =>
    {
        var changed = now.Get<Cluster>(operation.Target) with { CpuBaseline = operation.Baseline };
        var hosts = now.Children<Host>(changed.Id).OrderBy(h => h.Id).ToList();
        if (operation.Baseline is { } baseline)
        {
            RequireKnown(changed, baseline, [.. hosts.Select(h => h.Facts).OfType<HostFacts>()]);
            foreach (var host in hosts)
                RequireCapable(host, changed, baseline);
            RequireCovered(now, changed, baseline, hosts);
        }

        return InventoryEdit.Of(changed);
    });

    private static void RequireKnown(Cluster cluster, string baseline, IReadOnlyCollection<HostFacts> hosts)
    {
        if (CpuBaselines.Levels.Contains(baseline) || hosts.Any(h => h.CpuModels.Any(m => m.Name == baseline)))
            return;
        throw new FaultException(new InvalidArgument(
            $"Cluster '{cluster.Name}'", "the CPU baseline", $"'{baseline}'", $"{string.Join(", ", CpuBaselines.Levels)} or a processor model that QEMU on its hosts knows by name"));
    }

    private static void RequireCapable(Host host, Cluster cluster, string baseline)
    {
        if (host.Facts is not { } facts)
            return;
        var missing = CpuBaselines.Missing(baseline, facts) ?? [$"a QEMU that knows {baseline}"];
        if (!missing.IsEmpty)
            throw new FaultException(new HostBelowBaseline(host.Name, cluster.Name, baseline, missing));
    }

    // What runs keeps the CPU that it was started with, and must be able to go on moving in the cluster.
    private static void RequireCovered(InventorySnapshot now, Cluster cluster, string baseline, IEnumerable<Host> hosts)
    {
        var above = hosts.SelectMany(h => now.MachinesOn(h.Id))
            .Where(v => v.Power != PowerState.Off && v.Spec?.CpuModel is null && !CpuBaselines.Covers(baseline, v.CpuModel))
            .OrderBy(v => v.Id).Select(v => v.Name).ToImmutableArray();
        if (!above.IsEmpty)
            throw new FaultException(new MachinesAboveBaseline(cluster.Name, baseline, above));
    }
}
