namespace Alveare.Tests;

/// <summary>How long tests wait where something real answers: a program, a socket, threads.</summary>
internal static class Patience
{
    /// <summary>Longer than anything takes on a machine however busy, so that a test that hangs fails instead, and no other.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(3);
}
