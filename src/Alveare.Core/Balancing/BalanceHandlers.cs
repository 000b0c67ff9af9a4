using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Balancing;

/// <summary>The operations on a cluster's balancing.</summary>
internal sealed class BalanceHandlers(InventoryWriter inventory, ClusterBalancing balancing)
{
    public void Register(TaskEngine tasks)
    {
        tasks.Handle<SetBalancing>((operation, _) => inventory.ApplyAsync(now => InventoryEdit.Of(Changed(now, operation))));
        tasks.Handle<BalanceCluster>(async (operation, context) =>
        {
            var ended = await balancing.BalanceAsync(operation.Target, context);
            // What could not be begun at that moment is the next round's.
            Conclude(context, ended, ended.FirstOrDefault(e => e is { Task: not null, Fault: not null })?.Fault);
        });
        tasks.Handle<ApplyRecommendations>(ApplyAsync);
    }

    private async Task ApplyAsync(ApplyRecommendations operation, TaskContext context)
    {
        if (operation.Recommendations is { Length: 0 })
            throw new FaultException(new InvalidArgument("Applying recommendations", "the recommendations", "an empty list", "ids of recommendations, or none for all"));
        var ended = await balancing.ApplyAsync(operation.Target, operation.Recommendations?.Distinct().ToArray(), context);
        Conclude(context, ended, ended.FirstOrDefault(e => e.Fault is not null)?.Fault, whenNone: "there was nothing to apply");
    }

    // Every move is a task that says for itself how it ended; the first that failed is why this one did.
    private static void Conclude(TaskContext context, IReadOnlyList<MoveEnd> ended, Fault? fault, string? whenNone = null)
    {
        context.Cancellation.ThrowIfCancellationRequested();
        context.Report(100, ended.Count == 0 && whenNone is not null ? whenNone : string.Create(CultureInfo.InvariantCulture, $"{ended.Count(e => e.IsDone)} of {ended.Count} done"));
        if (fault is not null)
            throw new FaultException(fault);
    }

    private static Cluster Changed(InventorySnapshot now, SetBalancing asked)
    {
        var cluster = now.Get<Cluster>(asked.Target);
        var before = cluster.Balancing;
        if (asked.Mode is { } mode && !Enum.IsDefined(mode))
            throw Wrong(cluster, "the mode", $"{(int)mode}", "manual, partial or full");
        if (asked.Level is < BalanceSettings.MinLevel or > BalanceSettings.MaxLevel)
            throw Wrong(cluster, "the level", $"{asked.Level}", $"{BalanceSettings.MinLevel} to {BalanceSettings.MaxLevel}");
        if (asked.Interval is { } interval && (interval < BalanceSettings.MinInterval || interval > BalanceSettings.MaxInterval))
        {
            throw Wrong(
                cluster, "the interval", interval.ToString("c", CultureInfo.InvariantCulture), $"{BalanceSettings.MinInterval.TotalSeconds} seconds to {BalanceSettings.MaxInterval.TotalHours} hours");
        }

        return cluster with
        {
            Balancing = before with
            {
                Mode = asked.Mode ?? before.Mode,
                Level = asked.Level ?? before.Level,
                Interval = asked.Interval ?? before.Interval,
                Overrides = Overrides(now, cluster, asked),
            },
        };
    }

    // Machines that have left the cluster since lose theirs.
    private static ImmutableArray<BalanceOverride> Overrides(InventorySnapshot now, Cluster cluster, SetBalancing asked)
    {
        EntityId[] named = [.. asked.Overrides.Select(o => o.Vm), .. asked.WithoutOverride];
        if (named.GroupBy(id => id).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw Wrong(cluster, "the machines with a mode of their own", $"'{now.Get<VirtualMachine>(twice.Key).Name}' twice", "each machine once");
        foreach (var id in named)
        {
            if (!IsOf(now, cluster, id))
                throw Wrong(cluster, "a machine with a mode of its own", $"'{now.Get<VirtualMachine>(id).Name}', which is on none of its hosts", "a machine of the cluster");
        }

        return
        [
            .. cluster.Balancing.Overrides.Where(o => !named.Contains(o.Vm) && IsOf(now, cluster, o.Vm)).Concat(asked.Overrides).OrderBy(o => o.Vm),
        ];
    }

    private static bool IsOf(InventorySnapshot now, Cluster cluster, EntityId vm) =>
        now.Find(vm) is VirtualMachine found && now.ClusterOf(found.Host)?.Id == cluster.Id;

    private static FaultException Wrong(Cluster cluster, string argument, string given, string expected) =>
        new(new InvalidArgument($"Cluster '{cluster.Name}'", argument, given, expected));
}
