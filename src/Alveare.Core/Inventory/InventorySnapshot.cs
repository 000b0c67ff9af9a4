using System.Collections.Frozen;
using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;

namespace Alveare.Core.Inventory;

/// <summary>The whole inventory at one version. Immutable: readers keep it as long as they like and take no lock.</summary>
public sealed class InventorySnapshot
{
    public static readonly InventorySnapshot Empty = new(
        0,
        [
            .. Enum.GetValues<EntityKind>().Select(kind => kind == EntityKind.Root
                ? ImmutableDictionary<EntityId, Entity>.Empty.Add(EntityId.Root, new RootFolder { Id = EntityId.Root, Name = "site" })
                : ImmutableDictionary<EntityId, Entity>.Empty),
        ],
        ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>>.Empty,
        ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>>.Empty);

    private static readonly FrozenDictionary<Type, EntityKind> Kinds = new Dictionary<Type, EntityKind>
    {
        [typeof(Datacenter)] = EntityKind.Datacenter,
        [typeof(Folder)] = EntityKind.Folder,
        [typeof(Cluster)] = EntityKind.Cluster,
        [typeof(Host)] = EntityKind.Host,
        [typeof(VirtualMachine)] = EntityKind.VirtualMachine,
        [typeof(Datastore)] = EntityKind.Datastore,
        [typeof(PortGroup)] = EntityKind.PortGroup,
        [typeof(ResourcePool)] = EntityKind.ResourcePool,
    }.ToFrozenDictionary();

    // By kind, so that a question about hosts does not look at machines.
    private readonly ImmutableArray<ImmutableDictionary<EntityId, Entity>> _entities;
    private readonly ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>> _children;

    // Machines by the host they are registered on.
    private readonly ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>> _machines;

    private InventorySnapshot(
        long version,
        ImmutableArray<ImmutableDictionary<EntityId, Entity>> entities,
        ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>> children,
        ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>> machines) =>
        (Version, _entities, _children, _machines) = (version, entities, children, machines);

    /// <summary>Rises by one with every change that is applied.</summary>
    public long Version { get; }

    public IEnumerable<Entity> All => _entities.SelectMany(k => k.Values);

    public int Count => _entities.Sum(k => k.Count);

    public Entity? Find(EntityId id) => _entities[(int)id.Kind].GetValueOrDefault(id);

    /// <summary>The object, or a <see cref="NotFound"/> fault.</summary>
    public T Get<T>(EntityId id)
        where T : Entity =>
        Find(id) as T ?? throw new FaultException(new NotFound(Words(typeof(T).Name), id.ToString()));

    public IEnumerable<T> OfType<T>()
        where T : Entity => Kinds.TryGetValue(typeof(T), out var kind) ? _entities[(int)kind].Values.Cast<T>() : All.OfType<T>();

    /// <summary>Direct children in id order.</summary>
    public IEnumerable<Entity> Children(EntityId parent) =>
        _children.TryGetValue(parent, out var ids) ? ids.Select(At) : [];

    /// <summary>Direct children of one kind in id order; of the others there may be tens of thousands, which are not looked at.</summary>
    public IEnumerable<T> Children<T>(EntityId parent)
        where T : Entity
    {
        if (!_children.TryGetValue(parent, out var ids))
            yield break;
        var kind = Kinds[typeof(T)];
        var first = ids.IndexOf(new EntityId(kind, Guid.Empty));
        for (var index = first < 0 ? ~first : first; index < ids.Count && ids[index].Kind == kind; index++)
            yield return (T)At(ids[index]);
    }

    /// <summary>The machines that are registered on a host, in id order.</summary>
    public IEnumerable<VirtualMachine> MachinesOn(EntityId host) =>
        _machines.TryGetValue(host, out var ids) ? ids.Select(id => (VirtualMachine)At(id)) : [];

    /// <summary>The names from the root to the object, such as <c>/site/web/web01</c>.</summary>
    public string PathOf(EntityId id)
    {
        var names = new Stack<string>();
        for (var entity = Find(id); entity?.Parent is { } parent; entity = Find(parent))
            names.Push(entity.Name);
        return "/" + string.Join('/', names);
    }

    /// <summary>The datacenter an object is in, or null for the root.</summary>
    public Datacenter? DatacenterOf(EntityId id)
    {
        var entity = Find(id);
        while (entity is not null and not Datacenter)
            entity = entity.Parent is { } parent ? Find(parent) : null;
        return entity as Datacenter;
    }

    /// <summary>A snapshot one version later with these objects put in or replaced and these removed.</summary>
    public InventorySnapshot With(IEnumerable<Entity> put, IEnumerable<EntityId> removed)
    {
        var version = Version + 1;
        var entities = new ImmutableDictionary<EntityId, Entity>.Builder?[_entities.Length];
        var children = _children.ToBuilder();
        var machines = _machines.ToBuilder();
        foreach (var id in removed)
        {
            if (!OfKind(entities, id).Remove(id, out var old))
                continue;
            Unlink(children, old.Parent, id);
            Unlink(machines, HostOf(old), id);
        }

        foreach (var entity in put)
        {
            var all = OfKind(entities, entity.Id);
            all.TryGetValue(entity.Id, out var old);
            Relink(children, old?.Parent, entity.Parent, entity.Id);
            Relink(machines, HostOf(old), HostOf(entity), entity.Id);
            all[entity.Id] = entity with { Version = version };
        }

        return new InventorySnapshot(
            version, [.. entities.Select((changed, kind) => changed?.ToImmutable() ?? _entities[kind])], children.ToImmutable(), machines.ToImmutable());
    }

    private Entity At(EntityId id) => _entities[(int)id.Kind][id];

    private ImmutableDictionary<EntityId, Entity>.Builder OfKind(ImmutableDictionary<EntityId, Entity>.Builder?[] changed, EntityId id) =>
        changed[(int)id.Kind] ??= _entities[(int)id.Kind].ToBuilder();

    private static EntityId? HostOf(Entity? entity) => (entity as VirtualMachine)?.Host;

    private static void Relink(ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>>.Builder sets, EntityId? from, EntityId? to, EntityId id)
    {
        if (from == to)
            return;
        Unlink(sets, from, id);
        if (to is { } holder)
            sets[holder] = (sets.TryGetValue(holder, out var ids) ? ids : []).Add(id);
    }

    private static void Unlink(ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>>.Builder sets, EntityId? from, EntityId id)
    {
        if (from is not { } holder || !sets.TryGetValue(holder, out var ids))
            return;
        ids = ids.Remove(id);
        if (ids.IsEmpty)
            sets.Remove(holder);
        else
            sets[holder] = ids;
    }

    // A type's name as words: "PortGroup" is a "port group" to people.
    private static string Words(string typeName) =>
        string.Concat(typeName.Select((c, n) => char.IsUpper(c) ? $"{(n == 0 ? "" : " ")}{char.ToLowerInvariant(c)}" : $"{c}"));
}
