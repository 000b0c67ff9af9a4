namespace Alveare.Planning.Balancing;

/// <summary>How eager balancing is.</summary>
/// <param name="Price">What a move must gain: the fall of the spread, for each share of a mean host's memory that is sent over the
/// network. Near the end of balancing it is about twice the distance from the mean that is still worth a move.</param>
/// <param name="Goal">Standard deviation over hosts, of CPU and of memory, that is good enough: with both below it nothing is moved.</param>
public sealed record BalanceLevel(int Number, double Price, double Goal)
{
    /// <summary>Only what rules ask for.</summary>
    public const int RulesOnly = 1;

    /// <summary>Everything that is worth its move, however little that is.</summary>
    public const int Highest = 5;

    private static readonly BalanceLevel[] All =
    [
        new(RulesOnly, double.PositiveInfinity, double.PositiveInfinity),
        new(2, 0.4, 0.15),
        new(3, 0.1, 0.05),
        new(4, 0.02, 0.01),
        new(Highest, 0.0005, 0.0004),
    ];

    /// <param name="number">1 to 5.</param>
    public static BalanceLevel Of(int number) => All[number - 1];
}
