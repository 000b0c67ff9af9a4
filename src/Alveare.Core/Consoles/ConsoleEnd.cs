namespace Alveare.Core.Consoles;

/// <summary>What became of a console that ended.</summary>
public enum ConsoleEndKind
{
    /// <summary>The machine has been switched to another host; open it again.</summary>
    Moving,

    /// <summary>The machine is off.</summary>
    Off,

    /// <summary>The machine is not in the inventory any more.</summary>
    Gone,

    /// <summary>The host does not answer; the machine may run on.</summary>
    HostLost,

    /// <summary>Whoever opened it is not logged in any more.</summary>
    LoggedOut,

    /// <summary>The host closed it though the machine runs; it can be opened again.</summary>
    Closed,
}

/// <summary>Why a console ended, with the sentence for people.</summary>
public sealed record ConsoleEnd(ConsoleEndKind Kind, string Message);
