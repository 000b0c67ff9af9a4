namespace Alveare.Wire.Rest;

/// <summary>Which console of a machine.</summary>
public enum ConsoleKind
{
    Serial,
    Vnc,
}

/// <summary>What <c>POST /api/vms/{id}:console</c> takes.</summary>
public sealed record ConsoleTicketRequest(ConsoleKind Console);

/// <summary>A ticket for one console.</summary>
/// <param name="Ticket">Good once.</param>
/// <param name="Path">Where it opens the console, the ticket included, below the server's address.</param>
public sealed record ConsoleTicketAnswer(string Ticket, string Path, DateTimeOffset ExpiresAt);

/// <summary>Why a console's WebSocket was closed, in the range that is free for applications.</summary>
public static class ConsoleCloseCode
{
    /// <summary>The machine has been switched to another host: open it again.</summary>
    public const int Moving = 4000;

    /// <summary>The machine is off.</summary>
    public const int Off = 4001;

    /// <summary>The machine is not in the inventory any more.</summary>
    public const int Gone = 4002;

    /// <summary>The host does not answer; the machine may run on.</summary>
    public const int HostLost = 4003;

    /// <summary>The session is over.</summary>
    public const int LoggedOut = 4004;

    /// <summary>The host closed it though the machine runs.</summary>
    public const int Closed = 4005;
}
