using System.Collections.Immutable;
using System.Reflection;
using Alveare.Model.Machines;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

/// <summary>Something a user asks the engine to do; every one runs as a task. The record with its <see cref="OperationAttribute"/> is the one
/// declaration: permission check, refusal in the wrong state, audit line, REST route, CLI verb and documentation derive from it.</summary>
public abstract record Operation
{
    /// <summary>The object it is done to: decides the REST route and, for machines, is locked against a second operation.</summary>
    public required EntityId Target { get; init; }

    /// <summary>Power states of a target machine in which this request is legal: those of its declaration, unless it asks for more than most.</summary>
    public virtual PowerStates LegalIn(OperationAttribute rules) => rules.States;
}

/// <summary>Declares an <see cref="Operation"/>.</summary>
/// <param name="kind">The kind of its target.</param>
/// <param name="verb">Lower-case, dashed; with the kind it names the operation, such as <c>vm.power-on</c>.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class OperationAttribute(EntityKind kind, string verb, Privilege privilege, string summary) : Attribute
{
    public EntityKind Kind { get; } = kind;

    public string Verb { get; } = verb;

    public Privilege Privilege { get; } = privilege;

    /// <summary>One sentence for documentation and help.</summary>
    public string Summary { get; } = summary;

    /// <summary>Power states of a target machine in which it is legal.</summary>
    public PowerStates States { get; init; } = PowerStates.Any;

    /// <summary>May also be done to a template.</summary>
    public bool OnTemplates { get; init; }

    /// <summary>Can be cancelled while it runs.</summary>
    public bool Cancellable { get; init; }

    /// <summary>Only reads its target machine: several of these go on at once, and what changes the machine waits for none to be under way.</summary>
    public bool SharesTarget { get; init; }
}

/// <summary>One line of the catalogue.</summary>
public sealed record OperationDeclaration(string Name, Type Type, OperationAttribute Rules);

/// <summary>All operations, by name and by type.</summary>
public static class OperationCatalogue
{
    public static readonly ImmutableArray<OperationDeclaration> All =
    [
        .. typeof(Operation).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(Operation)) && !t.IsAbstract)
            .Select(t => (Type: t, Rules: t.GetCustomAttribute<OperationAttribute>()
                ?? throw new InvalidOperationException($"{t.Name} has no [Operation].")))
            .Select(x => new OperationDeclaration($"{Prefix(x.Rules.Kind)}.{x.Rules.Verb}", x.Type, x.Rules))
            .OrderBy(d => d.Name, StringComparer.Ordinal),
    ];

    private static readonly ImmutableDictionary<Type, OperationDeclaration> ByType = All.ToImmutableDictionary(d => d.Type);
    private static readonly ImmutableDictionary<string, OperationDeclaration> ByName = All.ToImmutableDictionary(d => d.Name);

    public static OperationDeclaration Declaration(this Operation operation) => ByType[operation.GetType()];

    /// <summary>The declaration with this name, such as <c>vm.power-on</c>, or null.</summary>
    public static OperationDeclaration? Find(string name) => ByName.GetValueOrDefault(name);

    /// <summary>The first half of an operation's name and the collection of its REST route.</summary>
    public static string Prefix(EntityKind kind) => kind switch
    {
        EntityKind.Root => "site",
        EntityKind.Datacenter => "datacenter",
        EntityKind.Folder => "folder",
        EntityKind.Cluster => "cluster",
        EntityKind.Host => "host",
        EntityKind.VirtualMachine => "vm",
        EntityKind.Datastore => "datastore",
        EntityKind.PortGroup => "portgroup",
        EntityKind.ResourcePool => "pool",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
