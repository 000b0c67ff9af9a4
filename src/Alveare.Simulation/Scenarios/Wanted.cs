using Alveare.Model;

namespace Alveare.Simulation.Scenarios;

/// <summary>What a property of each machine may be: what was acknowledged last, and what was asked for since, which may still come.</summary>
internal sealed class Wanted<T>
{
    private readonly SortedDictionary<EntityId, List<T>> possible = [];

    /// <summary>It may be something else from now on.</summary>
    /// <param name="now">What it is if nobody has asked before.</param>
    public void Ask(EntityId machine, T now, T wanted)
    {
        if (!possible.TryGetValue(machine, out var values))
            possible[machine] = values = [now];
        values.Add(wanted);
    }

    public void Acknowledge(EntityId machine, T value)
    {
        if (possible.TryGetValue(machine, out var values))
            values.RemoveRange(0, values.IndexOf(value));
    }

    /// <summary>What is expected instead of a value; null where that is right, or nobody ever asked.</summary>
    public string? Against(EntityId machine, T value) => possible.TryGetValue(machine, out var values) && !values.Contains(value)
        ? $"'{values[0]}'{string.Concat(values.Skip(1).Select(v => $", perhaps '{v}' since"))}"
        : null;
}
