using Alveare.Api.Routing;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>Logging in and out.</summary>
internal static class SessionRoutes
{
    private const string Tag = "Session";

    public static IEnumerable<ApiRoute> All =>
    [
        new("POST", "session", Tag, "Log in. The token of the answer goes into the header 'Authorization: Bearer TOKEN'.", LogInAsync)
        {
            Id = "logIn", Body = typeof(LoginRequest), Answer = typeof(SessionAnswer), IsOpen = true,
        },
        new("GET", "session", Tag, "Who is logged in.", call => call.AnswerAsync(Shown(call.Session))) { Id = "getSession", Answer = typeof(SessionAnswer) },
        new("DELETE", "session", Tag, "Log out.", LogOutAsync) { Id = "logOut", Status = 204 },
    ];

    private static async Task LogInAsync(ApiCall call)
    {
        var request = await call.BodyAsync<LoginRequest>();
        var from = call.Http.Connection.RemoteIpAddress?.ToString() ?? "nowhere";
        var login = await call.Engine.Sessions.LoginAsync(request.User, request.Password, from);
        await call.AnswerAsync(Shown(login.Session) with { Token = login.Token });
    }

    private static async Task LogOutAsync(ApiCall call)
    {
        await call.Engine.Sessions.LogoutAsync(call.Token);
        call.Http.Response.StatusCode = 204;
    }

    private static SessionAnswer Shown(Session session) =>
        new(session.User, ModelJson.Word(session.Role), session.ExpiresAt);
}
