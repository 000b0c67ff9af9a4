using System.Collections.Immutable;

namespace Alveare.Model.Faults;

/// <summary>Finds what somebody may have meant who gave a name that nothing has.</summary>
internal static class NearNames
{
    private const int Most = 3;

    /// <summary>Up to three of <paramref name="names"/>, the nearest first: those that one mistake in every three letters (at least one) makes of the given
    /// one, whatever their case, and then those that begin with it.</summary>
    public static ImmutableArray<string> Of(string given, IEnumerable<string> names)
    {
        if (given.Length == 0)
            return [];
        var allowed = Math.Max(1, given.Length / 3);
        return
        [
            .. names.Distinct(StringComparer.Ordinal)
                .Select(name => (Name: name, Mistakes: Mistakes(given, name, allowed)))
                .Where(n => n.Mistakes <= allowed || n.Name.StartsWith(given, StringComparison.OrdinalIgnoreCase))
                .OrderBy(n => n.Mistakes)
                .ThenBy(n => n.Name, StringComparer.Ordinal)
                .Take(Most)
                .Select(n => n.Name),
        ];
    }

    /// <summary>How many letters are missing, too many, others or in each other's place; more than <paramref name="allowed"/> where it is surely more.</summary>
    /// <remarks>The restricted Damerau-Levenshtein distance (optimal string alignment), by rows.</remarks>
    private static int Mistakes(string given, string name, int allowed)
    {
        if (Math.Abs(given.Length - name.Length) > allowed)
            return allowed + 1;
        var (before, last, row) = (new int[name.Length + 1], Enumerable.Range(0, name.Length + 1).ToArray(), new int[name.Length + 1]);
        for (var i = 1; i <= given.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= name.Length; j++)
            {
                row[j] = Math.Min(Math.Min(last[j], row[j - 1]) + 1, last[j - 1] + (IsSame(i, j) ? 0 : 1));
                if (i > 1 && j > 1 && IsSame(i, j - 1) && IsSame(i - 1, j))
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }

            (before, last, row) = (last, row, before);
        }

        return last[name.Length];

        bool IsSame(int i, int j) => char.ToUpperInvariant(given[i - 1]) == char.ToUpperInvariant(name[j - 1]);
    }
}
