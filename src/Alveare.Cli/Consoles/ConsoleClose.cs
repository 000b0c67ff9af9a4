using Alveare.Wire.Rest;

namespace Alveare.Cli.Consoles;

/// <summary>Why a console was closed by the center: a code of <see cref="ConsoleCloseCode"/> (or 0 when the connection broke), and the sentence.</summary>
internal sealed record ConsoleClose(int Code, string Message)
{
    /// <summary>It can be opened again, soon or now.</summary>
    public bool IsPassing => Code is ConsoleCloseCode.Moving or ConsoleCloseCode.Closed;
}
