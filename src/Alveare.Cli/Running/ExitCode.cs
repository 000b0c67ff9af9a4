using Alveare.Cli.Client;

namespace Alveare.Cli.Running;

/// <summary>What the program's exit code says.</summary>
public static class ExitCode
{
    public const int Done = 0;

    /// <summary>The center refused, or the task failed or was cancelled.</summary>
    public const int Fault = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>No server, or no login.</summary>
    public const int NotReachable = 3;

    /// <summary>Ctrl-C, as shells count it.</summary>
    public const int Interrupted = 130;

    /// <summary>What a failure that has been said means.</summary>
    public static int Of(Exception failure) => failure switch
    {
        RestFaultException { Problem.Status: 401 or 429 } or NotReachableException => NotReachable,
        UsageException => Usage,
        OperationCanceledException => Interrupted,
        _ => Fault,
    };
}

/// <summary>The command line is wrong in a way that only running it shows.</summary>
public sealed class UsageException(string message) : Exception(message);
