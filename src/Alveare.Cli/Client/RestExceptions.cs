using Alveare.Wire.Rest;

namespace Alveare.Cli.Client;

/// <summary>The server refused, and says why.</summary>
public sealed class RestFaultException(Problem problem) : Exception(problem.Detail)
{
    public Problem Problem { get; } = problem;
}

/// <summary>The server cannot be reached, or is not the one that is trusted, or does not speak this API.</summary>
public class NotReachableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>There is no session, and no password to log in with: trying again changes nothing.</summary>
public sealed class NoLoginException(string message) : NotReachableException(message);
