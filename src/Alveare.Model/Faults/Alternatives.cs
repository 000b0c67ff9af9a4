namespace Alveare.Model.Faults;

/// <summary>Words of which one is meant, for sentences.</summary>
public static class Alternatives
{
    /// <summary>Such as <c>host, cluster or pool</c>.</summary>
    /// <param name="words">One or more.</param>
    public static string Of(IReadOnlyList<string> words) =>
        words.Count == 1 ? words[0] : $"{string.Join(", ", words.SkipLast(1))} or {words[^1]}";
}
