namespace Alveare.Kvm.Networks;

/// <summary>Bytes that have come in and gone out, seen from the machine or host that they are about.</summary>
internal readonly record struct LinkCounters(long ReceivedBytes, long SentBytes)
{
    public static LinkCounters operator +(LinkCounters left, LinkCounters right) =>
        new(left.ReceivedBytes + right.ReceivedBytes, left.SentBytes + right.SentBytes);

    /// <summary>The same traffic seen from the other end of the cable.</summary>
    public LinkCounters FromOtherEnd() => new(SentBytes, ReceivedBytes);
}
