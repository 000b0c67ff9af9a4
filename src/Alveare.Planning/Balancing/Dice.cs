namespace Alveare.Planning.Balancing;

/// <summary>Numbers that look random and are the same in every run, so that equal input gives an equal plan.</summary>
/// <remarks>xorshift64* (Vigna 2016).</remarks>
internal struct Dice(ulong seed)
{
    private ulong _state = seed;

    /// <summary>From 0 to below the limit.</summary>
    public int Below(int limit) => (int)Math.BigMul(Next() >> 32 << 32, (ulong)limit, out _);

    /// <summary>From 0 to below 1.</summary>
    public double Share() => (Next() >> 11) * (1.0 / (1UL << 53));

    private ulong Next()
    {
        _state ^= _state >> 12;
        _state ^= _state << 25;
        _state ^= _state >> 27;
        return _state * 0x2545F4914F6CDD1DUL;
    }
}
