using System.Buffers;
using System.Text;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Model.Operations;

namespace Alveare.Core.Inventory;

/// <summary>What an object of the inventory may be called: any script, but nothing that breaks a path or a line.</summary>
public static class Names
{
    /// <summary>An <see cref="InvalidName"/> fault for a name that cannot be used, else the name.</summary>
    public static string Checked(string name) => WhyInvalid(name) is { } reason ? throw new FaultException(new InvalidName(name, reason)) : name;

    /// <summary>As <see cref="Checked"/>, and a <see cref="DuplicateName"/> fault when another child of the parent has it (names are unique per
    /// parent and kind).</summary>
    /// <param name="except">The object that is being renamed or moved.</param>
    public static void CheckFree(this InventorySnapshot inventory, EntityId parent, EntityKind kind, string name, EntityId? except = null)
    {
        Checked(name);
        if (inventory.Children(parent).Any(e => e.Id.Kind == kind && e.Name == name && e.Id != except))
            throw new FaultException(new DuplicateName(OperationCatalogue.Prefix(kind), name, inventory.Get<Model.Inventory.Entity>(parent).Name));
    }

    /// <summary>A usable name made of one that a host reports.</summary>
    public static string Cleaned(string name)
    {
        var clean = new StringBuilder();
        for (var (at, length) = (0, 0); at < name.Length; at += length)
        {
            var isWhole = Rune.DecodeFromUtf16(name.AsSpan(at), out var rune, out length) == OperationStatus.Done;
            clean.Append(!isWhole || Rune.IsControl(rune) || rune.Value is '/' or '\\' ? "_" : rune.ToString());
        }

        return Cut(clean.ToString().Trim()) is { Length: > 0 } and not ("." or "..") and var usable ? usable : "unnamed";
    }

    /// <summary>A usable name made of a wanted one, with a number when it is taken; it is taken from then on.</summary>
    public static string Unique(string wanted, ISet<string> taken)
    {
        var clean = Cleaned(wanted);
        var name = clean;
        for (var number = 2; !taken.Add(name); number++)
            name = $"{clean} ({number})";
        return name;
    }

    private static string Cut(string name)
    {
        if (name.Length <= MachineLimits.MaxNameLength)
            return name;
        var length = char.IsHighSurrogate(name[MachineLimits.MaxNameLength - 1]) ? MachineLimits.MaxNameLength - 1 : MachineLimits.MaxNameLength;
        return name[..length].TrimEnd();
    }

    private static string? WhyInvalid(string name) => name switch
    {
        { Length: 0 } => "it is empty",
        { Length: > MachineLimits.MaxNameLength } => $"it has {name.Length} characters, at most {MachineLimits.MaxNameLength} are allowed",
        "." or ".." => "it stands for a directory",
        _ when name.Contains('/', StringComparison.Ordinal) => "it must not hold a '/', which separates the names of a path",
        _ when name.Contains('\\', StringComparison.Ordinal) => "it must not hold a backslash, which the files of machines cannot",
        _ when name.Any(char.IsControl) => "it must not hold control characters",
        _ when char.IsWhiteSpace(name[0]) || char.IsWhiteSpace(name[^1]) => "it must not begin or end with white space",
        _ when HasBrokenSurrogate(name) => "it is not valid Unicode",
        _ => null,
    };

    private static bool HasBrokenSurrogate(string name) => name.EnumerateRunes().Any(r => r == Rune.ReplacementChar) && !name.Contains('\ufffd', StringComparison.Ordinal);
}
