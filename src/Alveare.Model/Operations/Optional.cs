namespace Alveare.Model.Operations;

/// <summary>What an operation that changes some of many settings leaves of one that may be none: not given it stays as it is, and zero lifts it.</summary>
public static class Optional
{
    public static T? Changed<T>(T? present, T? wanted)
        where T : struct, IEquatable<T> => wanted is not { } given ? present : given.Equals(default) ? null : given;
}
