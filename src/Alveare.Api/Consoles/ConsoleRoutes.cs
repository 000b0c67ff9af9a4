using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Wire.Rest;
using Microsoft.AspNetCore.Http;

namespace Alveare.Api.Consoles;

/// <summary>Consoles of machines as WebSockets, and the tickets that open them.</summary>
internal static class ConsoleRoutes
{
    private const string Tag = "Consoles";
    private const string Serial = "serial";
    private const string Vnc = "vnc";

    public static IEnumerable<ApiRoute> All =>
    [
        new(
            "POST", "vms/{id}:console", Tag,
            "A ticket that opens one console of the machine once, within 30 seconds: for a browser, which sends no header with a WebSocket.", IssueAsync)
        {
            Id = "issueConsoleTicket", Body = typeof(ConsoleTicketRequest), Answer = typeof(ConsoleTicketAnswer),
        },
        Route(Serial, "openSerialConsole", "The serial console, both ways, as a WebSocket of binary messages (sub-protocol 'binary').", HostChannelKind.Serial),
        Route(Vnc, "openVncConsole", "The screen, as a WebSocket of binary messages that carry the RFB protocol (sub-protocol 'binary').", HostChannelKind.Vnc),
    ];

    private static ApiRoute Route(string word, string id, string summary, HostChannelKind kind) =>
        new("GET", $"vms/{{id}}/console/{word}", Tag, summary, call => OpenAsync(call, kind))
        {
            Id = id,
            IsWebSocket = true,
            Status = 101,
            Query = [new(ApiRoute.TicketQuery, "string", "A ticket instead of a session.")],
        };

    private static async Task IssueAsync(ApiCall call)
    {
        var request = await call.BodyAsync<ConsoleTicketRequest>();
        var (kind, word) = request.Console == ConsoleKind.Vnc ? (HostChannelKind.Vnc, Vnc) : (HostChannelKind.Serial, Serial);
        var console = new HostChannel(call.RouteId(EntityKind.VirtualMachine, "vm"), kind);
        var ticket = call.Engine.Consoles.Issue(call.Session, call.Token, console);
        await call.AnswerAsync(new ConsoleTicketAnswer(
            ticket.Secret, $"/api/vms/{console.Machine}/console/{word}?{ApiRoute.TicketQuery}={ticket.Secret}", ticket.ExpiresAt));
    }

    private static async Task OpenAsync(ApiCall call, HostChannelKind kind)
    {
        var console = new HostChannel(call.RouteId(EntityKind.VirtualMachine, "vm"), kind);
        if (!call.Http.WebSockets.IsWebSocketRequest)
            throw new FaultException(new InvalidArgument("The request", "its header 'Upgrade'", "not 'websocket'", "a WebSocket's opening"));
        var token = call.QueryText(ApiRoute.TicketQuery) is { } ticket ? call.Engine.Consoles.Redeem(ticket, console) : call.Token;
        var session = call.Engine.Sessions.Authenticate(token);
        // Opened before the upgrade: what is in the way is a problem document then, as everywhere.
        await using var open = await call.Engine.Consoles.OpenAsync(session, console, call.Aborted);
        using var socket = await call.Http.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
        {
            SubProtocol = call.Http.WebSockets.WebSocketRequestedProtocols.Contains(ConsoleSocket.SubProtocol) ? ConsoleSocket.SubProtocol : null,
            KeepAliveInterval = ConsoleSocket.KeepAlive,
            KeepAliveTimeout = ConsoleSocket.KeepAlive,
        });
        await new ConsoleSocket(socket, open, () => IsLoggedIn(call, token)).RunAsync(call.Aborted);
    }

    private static bool IsLoggedIn(ApiCall call, string token)
    {
        try
        {
            call.Engine.Sessions.Authenticate(token);
            return true;
        }
        catch (FaultException)
        {
            return false;
        }
    }
}
