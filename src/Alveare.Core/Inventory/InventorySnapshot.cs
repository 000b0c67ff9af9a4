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
        ImmutableDictionary<EntityId, Entity>.Empty.Add(EntityId.Root, new RootFolder { Id = EntityId.Root, Name = "site" }),
        ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>>.Empty);

    private readonly ImmutableDictionary<EntityId, Entity> _entities;
    private readonly ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>> _children;

    private InventorySnapshot(
        long version,
        ImmutableDictionary<EntityId, Entity> entities,
        ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>> children) =>
        (Version, _entities, _children) = (version, entities, children);

    /// <summary>Rises by one with every change that is applied.</summary>
    public long Version { get; }

    public IEnumerable<Entity> All => _entities.Values;

    public int Count => _entities.Count;

    public Entity? Find(EntityId id) => _entities.GetValueOrDefault(id);

    /// <summary>The object, or a <see cref="NotFound"/> fault.</summary>
    public T Get<T>(EntityId id)
        where T : Entity =>
        Find(id) as T ?? throw new FaultException(new NotFound(Words(typeof(T).Name), id.ToString()));

    public IEnumerable<T> OfType<T>()
        where T : Entity => _entities.Values.OfType<T>();

    /// <summary>Direct children in id order.</summary>
    public IEnumerable<Entity> Children(EntityId parent) =>
        _children.TryGetValue(parent, out var ids) ? ids.Select(id => _entities[id]) : [];

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
        var entities = _entities.ToBuilder();
        var children = _children.ToBuilder();
        foreach (var id in removed)
        {
            if (entities.Remove(id, out var old))
                Unlink(children, old);
        }

        foreach (var entity in put)
        {
            if (entities.TryGetValue(entity.Id, out var old) && old.Parent != entity.Parent)
                Unlink(children, old);
            entities[entity.Id] = entity with { Version = version };
            if (entity.Parent is { } parent)
                children[parent] = (children.TryGetValue(parent, out var ids) ? ids : []).Add(entity.Id);
        }

        return new InventorySnapshot(version, entities.ToImmutable(), children.ToImmutable());
    }

    private static void Unlink(ImmutableDictionary<EntityId, ImmutableSortedSet<EntityId>>.Builder children, Entity entity)
    {
        if (entity.Parent is not { } parent || !children.TryGetValue(parent, out var ids))
            return;
        ids = ids.Remove(entity.Id);
        if (ids.IsEmpty)
            children.Remove(parent);
        else
            children[parent] = ids;
    }

    // A type's name as words: "PortGroup" is a "port group" to people.
    private static string Words(string typeName) =>
        string.Concat(typeName.Select((c, n) => char.IsUpper(c) ? $"{(n == 0 ? "" : " ")}{char.ToLowerInvariant(c)}" : $"{c}"));
}
