using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>How eager balancing is: what it aims at, and what a move must gain.</summary>
public sealed record BalanceLevel
{
    /// <summary>Only what rules ask for.</summary>
    public const int RulesOnly = 1;

    /// <summary>Everything that is worth its move, however little that is.</summary>
    public const int Highest = 5;

    private static readonly BalanceLevel[] All =
    [
        new(RulesOnly, double.MaxValue, double.MaxValue),
        new(2, 200, 0.15),
        new(3, 50, 0.05),
        new(4, 10, 0.01),
        new(Highest, 1, 0.0002),
    ];

    private readonly double _price;
    private readonly double _goal;

    private BalanceLevel(int number, double price, double goal) => (Number, _price, _goal) = (number, price, goal);

    public int Number { get; }

    /// <param name="number">1 to 5.</param>
    public static BalanceLevel Of(int number) => All[number - 1];

    /// <summary>Standard deviation over hosts, of CPU and of memory, that is good enough in this cluster: with both below it nothing is moved.</summary>
    /// <remarks>A little more with many machines: of thousands the last few that matter take long to find.</remarks>
    public double GoalIn(Cluster cluster) => _goal + (0.0002 * Math.Min(1, cluster.Vms.Length / 8_000.0));

    /// <summary>What a move must gain in this cluster: the fall of <see cref="Spread.Total"/> for each share of a mean host's memory that is
    /// sent over the network. It is about twice the distance from the mean that is still worth a move.</summary>
    /// <remarks>The fewer machines a host has, the rougher they are, and the less a last small gain is worth: a machine is one of n on its
    /// host, and what cannot be evened out is about the square of that. Measured on seeded clusters of 12 to 125 machines a host.</remarks>
    public double PriceIn(Cluster cluster) =>
        _price * Math.Clamp(3.4 / (cluster.VmsPerHost * cluster.VmsPerHost), 0.0006, 0.005);
}
