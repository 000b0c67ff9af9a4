using Alveare.Model;

namespace Alveare.Simulation.Worlds;

/// <summary>Who reaches whom: hosts by their ids, the center by <see cref="Center"/>.</summary>
public sealed class Network(World world)
{
    public static readonly EntityId Center = EntityId.Root;

    private readonly HashSet<(EntityId, EntityId)> cuts = [];

    /// <summary>Rings with every cut and every repair.</summary>
    public Bell Changed { get; } = new(world);

    /// <summary>Told at once of a cut between two.</summary>
    public event Action<EntityId, EntityId>? WasCut;

    /// <summary>How often a command is carried out and its answer never arrives, in percent.</summary>
    public double LostAnswers { get; set; }

    /// <summary>How often an answer takes seconds, in percent.</summary>
    public double SlowAnswers { get; set; }

    public bool Reaches(EntityId one, EntityId other) => !cuts.Contains(Pair(one, other));

    public void Cut(EntityId one, EntityId other) => world.Nature.Enter(() =>
    {
        if (!cuts.Add(Pair(one, other)))
            return;
        WasCut?.Invoke(one, other);
        Changed.Ring();
    });

    public void Heal(EntityId one, EntityId other) => world.Nature.Enter(() =>
    {
        if (cuts.Remove(Pair(one, other)))
            Changed.Ring();
    });

    public void HealAll() => world.Nature.Enter(() =>
    {
        cuts.Clear();
        Changed.Ring();
    });

    /// <summary>Waits until one reaches the other: bytes on a TCP connection wait just so. False when it takes longer than allowed.</summary>
    public async Task<bool> AwaitAsync(EntityId one, EntityId other, TimeSpan atMost)
    {
        var began = world.Time.GetTimestamp();
        while (!Reaches(one, other))
        {
            var left = atMost - world.Time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
                return false;
            await Changed.WaitAsync(left);
        }

        return true;
    }

    private static (EntityId, EntityId) Pair(EntityId one, EntityId other) => one < other ? (one, other) : (other, one);
}
