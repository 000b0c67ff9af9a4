using Alveare.Api.Routing;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>Lists and single objects of the inventory, and the lookup by name, path or id.</summary>
internal static class InventoryRoutes
{
    private const string Tag = "Inventory";

    private static readonly QueryParameter[] Filters =
    [
        new("name", "string", "Only objects of exactly this name."),
        new("parent", "string", "Only direct children of this object (an id)."),
        new("within", "string", "Only objects anywhere below this object (an id)."),
        Limit,
    ];

    private static readonly QueryParameter[] VmFilters =
    [
        .. Filters,
        new("host", "string", "Only machines on this host (an id)."),
        new("pool", "string", "Only machines in this resource pool (an id)."),
        new("power", "string", "Only machines in this power state: unknown, off, on or paused."),
        new("template", "boolean", "Only templates, or only machines that are none."),
    ];

    private static QueryParameter Limit => new("limit", "integer", "The most items to list; all by default.");

    public static IEnumerable<ApiRoute> All =>
    [
        .. KindRoutes<Datacenter>(EntityKind.Datacenter),
        .. KindRoutes<Folder>(EntityKind.Folder),
        .. KindRoutes<Cluster>(EntityKind.Cluster),
        .. KindRoutes<Host>(EntityKind.Host),
        .. KindRoutes<VirtualMachine>(EntityKind.VirtualMachine),
        .. KindRoutes<Datastore>(EntityKind.Datastore),
        .. KindRoutes<PortGroup>(EntityKind.PortGroup),
        .. KindRoutes<ResourcePool>(EntityKind.ResourcePool),
        new("GET", "lookup", Tag, "The object that a name, an inventory path (or the end of one) or an id means. An ambiguous name answers 409 with its candidates, an unknown one 404 with those that are near to it.", LookUpAsync)
        {
            Id = "lookUp",
            Answer = typeof(Located<Entity>),
            Query =
            [
                new("name", "string", "Name, path or id."),
                new("kind", "string", "Only objects of this kind, or of these with commas between them: datacenter, folder, cluster, host, vm, datastore, portgroup, pool or template."),
            ],
        },
    ];

    private static IEnumerable<ApiRoute> KindRoutes<T>(EntityKind kind)
        where T : Entity
    {
        var prefix = OperationCatalogue.Prefix(kind);
        yield return new("GET", $"{prefix}s", Tag, $"List {prefix}s, by name.", call => ListAsync<T>(call))
        {
            Id = $"list{typeof(T).Name}s", Answer = typeof(Listing<T>), Query = kind == EntityKind.VirtualMachine ? VmFilters : Filters,
        };
        yield return new("GET", $"{prefix}s/{{id}}", Tag, $"One {prefix}.", call => GetAsync<T>(call, kind, prefix))
        {
            Id = $"get{typeof(T).Name}", Answer = typeof(T),
        };
    }

    private static Task GetAsync<T>(ApiCall call, EntityKind kind, string prefix)
        where T : Entity
    {
        call.RequireView();
        // Answered as Entity, so that the record says its kind.
        var found = call.Engine.Inventory.Current.Find(call.RouteId(kind, prefix)) ?? throw new FaultException(new NotFound(prefix, call.RouteText("id")));
        return call.AnswerAsync(found);
    }

    private static Task ListAsync<T>(ApiCall call)
        where T : Entity
    {
        call.RequireView();
        var limit = call.QueryNumber("limit", 1, int.MaxValue);
        // Before the snapshot: a watcher that begins here sees a change twice rather than never.
        var position = ChangeStream.PositionOf(call.Engine.Feed);
        var inventory = call.Engine.Inventory.Current;
        var found = Filtered(call, inventory, inventory.OfType<T>())
            .OrderBy(e => e.Name, StringComparer.Ordinal)
            .ThenBy(e => e.Id)
            .ToList<Entity>();
        return call.AnswerAsync(new Listing<Entity>(limit is { } most && most < found.Count ? found[..most] : found, found.Count, position));
    }

    private static IEnumerable<T> Filtered<T>(ApiCall call, InventorySnapshot inventory, IEnumerable<T> all)
        where T : Entity
    {
        if (call.QueryText("name") is { } name)
            all = all.Where(e => e.Name == name);
        if (call.QueryId("parent") is { } parent)
            all = all.Where(e => e.Parent == parent);
        if (call.QueryId("within") is { } ancestor)
            all = all.Where(e => IsWithin(inventory, e, ancestor));
        if (call.QueryId("host") is { } host)
            all = all.Where(e => e is VirtualMachine vm && vm.Host == host);
        if (call.QueryId("pool") is { } pool)
            all = all.Where(e => e is VirtualMachine vm && vm.Pool == pool);
        if (call.QueryChoice<PowerState>("power") is { } power)
            all = all.Where(e => e is VirtualMachine vm && vm.Power == power);
        if (call.QueryFlag("template") is { } template)
            all = all.Where(e => e is VirtualMachine vm && vm.IsTemplate == template);
        return all;
    }

    private static bool IsWithin(InventorySnapshot inventory, Entity entity, EntityId ancestor)
    {
        for (Entity? at = entity; at?.Parent is { } parent; at = inventory.Find(parent))
        {
            if (parent == ancestor)
                return true;
        }

        return false;
    }

    private static Task LookUpAsync(ApiCall call)
    {
        call.RequireView();
        var name = call.QueryText("name") ?? throw new FaultException(new InvalidArgument("The query", "'name'", "missing", "a name, a path or an id"));
        var inventory = call.Engine.Inventory.Current;
        var found = inventory.Resolve(name, [.. (call.QueryText("kind")?.Split(',') ?? []).Select(WordOf)]);
        return call.AnswerAsync(new Located<Entity>(inventory.PathOf(found.Id), found));
    }

    private static string WordOf(string given) => Lookup.Words.Contains(given)
        ? given
        : throw new FaultException(new InvalidArgument("The query", "'kind'", $"'{given}'", $"one of {string.Join(", ", Lookup.Words)}"));
}
