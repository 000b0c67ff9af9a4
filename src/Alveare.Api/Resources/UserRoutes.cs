using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Security;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>The users of the site; they are changed by the site's operations.</summary>
internal static class UserRoutes
{
    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "users", "Users", "List users, by name.", ListAsync) { Id = "listUsers", Answer = typeof(Listing<UserAnswer>) },
    ];

    private static Task ListAsync(ApiCall call)
    {
        call.Engine.Tasks.Authorize(call.Session, Privilege.UserManage, "user.list", EntityId.Root, "site");
        var users = call.Engine.Users.All.Select(u => new UserAnswer(u.Name, ModelJson.Word(u.Role))).ToList();
        return call.AnswerAsync(new Listing<UserAnswer>(users, users.Count, ChangeStream.PositionOf(call.Engine.Feed)));
    }
}
