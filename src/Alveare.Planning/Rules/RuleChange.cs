namespace Alveare.Planning.Rules;

/// <summary>What a move, or one placement beside another, changes about rules. Those that must hold come first: no number of others outweighs one of them.</summary>
/// <param name="Must">By how much it raises the number of machines that break rules which must hold; below zero when it mends.</param>
/// <param name="Should">The same of rules that should hold, each weighed by its priority.</param>
public readonly record struct RuleChange(int Must, int Should)
{
    /// <summary>Worse than any.</summary>
    public static readonly RuleChange Any = new(int.MaxValue, 0);

    public bool IsWorse => Must > 0 || (Must == 0 && Should > 0);

    public bool IsBetter => Must < 0 || (Must == 0 && Should < 0);

    public static RuleChange operator +(RuleChange one, RuleChange other) => new(one.Must + other.Must, one.Should + other.Should);

    public static RuleChange operator -(RuleChange one, RuleChange other) => new(one.Must - other.Must, one.Should - other.Should);
}
