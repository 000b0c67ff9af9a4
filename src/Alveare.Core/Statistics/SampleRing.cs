namespace Alveare.Core.Statistics;

/// <summary>The newest samples of one object, each with the moment at which the engine got it.</summary>
internal sealed class SampleRing<T>(int kept)
{
    // It grows by so many: doubling would leave a third of a large site's memory unused.
    private const int Step = 20;

    private (T Sample, long CameAt)[] _items = [];
    private int _count;
    private int _next;

    public T Last => At(0).Sample;

    public int Count => _count;

    public void Add(T sample, long cameAt)
    {
        if (_count == _items.Length && _count < kept)
            Array.Resize(ref _items, Math.Min(kept, _count + Step));
        _items[_next] = (sample, cameAt);
        _next = (_next + 1) % kept;
        _count = Math.Min(kept, _count + 1);
    }

    public IEnumerable<(T Sample, long CameAt)> NewestFirst() => Enumerable.Range(0, _count).Select(At);

    /// <summary>The newest is 0 back.</summary>
    public (T Sample, long CameAt) At(int back) => _items[(_next - 1 - back + kept) % kept];
}
