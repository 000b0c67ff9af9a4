using Alveare.Model.Faults;
using Alveare.Simulation.Worlds;
using Microsoft.Extensions.Logging;

namespace Alveare.Simulation.Scenarios;

/// <summary>The engine's log: an error in it that is no fault is a bug of the engine, and so a violation.</summary>
internal sealed class ScenarioLog(World world) : ILoggerFactory, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
        // There is one sink, and it is here.
    }

    public void Dispose()
    {
        // Nothing is held.
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel >= LogLevel.Error && exception is not FaultException)
            world.Break($"The engine logged an error: {formatter(state, exception)} {exception}");
    }
}
