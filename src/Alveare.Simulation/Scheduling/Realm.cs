namespace Alveare.Simulation.Scheduling;

/// <summary>Something that lives and can be killed as a whole, such as an agent, a QEMU or an engine: everything that was begun in it goes
/// on in it, and nothing of it goes on after <see cref="Kill"/>, not even a <c>finally</c>, as with <c>kill -9</c>.</summary>
public sealed class Realm(ITurns turns, string name) : SynchronizationContext
{
    public string Name { get; } = name;

    public bool IsDead { get; private set; }

    public ITurns Turns { get; } = turns;

    public void Kill() => IsDead = true;

    /// <summary>Another realm under the same turns.</summary>
    public Realm Beside(string other) => new(Turns, other);

    /// <summary>Runs a short action in this realm, while nothing else runs.</summary>
    public void Enter(Action action) => Turns.Enter(this, action);

    public T Enter<T>(Func<T> question)
    {
        T answer = default!;
        Turns.Enter(this, () => answer = question());
        return answer;
    }

    /// <summary>Begins work in this realm. The answer never comes when the realm is killed.</summary>
    public Task<T> RunAsync<T>(Func<Task<T>> work) => Enter(work);

    public Task RunAsync(Func<Task> work) => Enter(work);

    public override void Post(SendOrPostCallback d, object? state) => Turns.Enqueue(new Turn(this, d, state));

    public override void Send(SendOrPostCallback d, object? state) => Enter(() => d(state));

    public override SynchronizationContext CreateCopy() => this;

    public override string ToString() => Name;
}
