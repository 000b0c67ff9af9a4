using Alveare.Model.Faults;

namespace Alveare.Core.Security;

/// <summary>Slows down guessing: after five failures from an address, or for a user name, each further one doubles the wait, from 1 s to 5 min.</summary>
/// <remarks>For a name from all addresses together to 5 s only: that bounds guessing from many of them, and whoever guesses on keeps the true user out no longer. By
/// time that passes, whatever date the clock is set to meanwhile.</remarks>
public sealed class LoginThrottle(TimeProvider clock)
{
    private const int Free = 5;
    private const int Remembered = 10_000;
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LongestForAll = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Guesses> _failures = [];

    /// <summary>A <see cref="LoginThrottled"/> fault while the user name or the address has to wait.</summary>
    public void Check(string user, string from)
    {
        lock (_gate)
            RequireOpen(user, from);
    }

    /// <summary>Counts an attempt, once it is known whether the password is right. The same fault, and nothing is counted, where others have failed meanwhile so that
    /// it would have to wait by now: whoever guesses many at once is told no more than whoever guesses one after the other.</summary>
    public void Count(string user, string from, bool isRight)
    {
        lock (_gate)
        {
            RequireOpen(user, from);
            if (isRight)
                Succeeded(user, from);
            else
                Failed(user, from);
        }
    }

    private void RequireOpen(string user, string from)
    {
        foreach (var (key, _) in Keys(user, from))
        {
            if (_failures.TryGetValue(key, out var guesses) && Left(guesses) is var left && left > TimeSpan.Zero)
                throw new FaultException(new LoginThrottled(user, left));
        }
    }

    private void Failed(string user, string from)
    {
        if (_failures.Count > Remembered)
            Forget();
        foreach (var (key, longest) in Keys(user, from))
        {
            var failures = _failures.GetValueOrDefault(key).Failures + 1;
            var wait = failures < Free ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(Math.Pow(2, failures - Free), longest.TotalSeconds));
            _failures[key] = new Guesses(failures, clock.GetTimestamp(), wait);
        }
    }

    private void Succeeded(string user, string from)
    {
        foreach (var (key, _) in Keys(user, from))
            _failures.Remove(key);
    }

    private static (string Key, TimeSpan Longest)[] Keys(string user, string from) =>
        [($"address {from}", Longest), ($"address {from} user {user}", Longest), ($"user {user}", LongestForAll)];

    /// <summary>How long it has to wait still; below zero once it has waited longer.</summary>
    private TimeSpan Left(Guesses guesses) => guesses.Wait - clock.GetElapsedTime(guesses.LastAt);

    private void Forget()
    {
        foreach (var key in _failures.Where(f => Left(f.Value) < -Longest).Select(f => f.Key).ToList())
            _failures.Remove(key);
    }

    private readonly record struct Guesses(int Failures, long LastAt, TimeSpan Wait);
}
