using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>user …</c></summary>
internal static class UserCommands
{
    private const string Variable = "ALVEARE_NEW_PASSWORD";

    private static Option<string?> Role => Takes.Choice("--role", "What the user may do", "administrator", "operator", "read-only");

    public static Command Group(CliCommands commands) => CliCommands.Group(
        "user",
        "Users of the site",
        [
            Generic.List<UserAnswer>(commands, "user", new("NAME", u => u.Name), new("ROLE", u => u.Role)),
            Create(commands),
            Update(commands),
            Remove(commands),
        ]);

    private static OperationCommand Create(CliCommands commands)
    {
        var name = Takes.Name("NAME", "Name of the new user");
        var role = Role;
        role.Required = true;
        var password = new SecretOption("--password-file", Variable);
        return Site(commands, "create-user", "create", "Create a user", [name, role, password.Option], async run =>
            Takes.Body(("user", run.Value(name)), ("password", await password.ReadAsync(run)), ("role", run.Value(role))));
    }

    private static OperationCommand Update(CliCommands commands)
    {
        var name = Takes.Name("NAME", "Name of the user");
        var role = Role;
        var password = new SecretOption("--password-file", Variable);
        return Site(commands, "update-user", "update", "Change a user's role or password; ends that user's sessions", [name, role, password.Option], async run =>
            Takes.Body(("user", run.Value(name)), ("password", await password.FindAsync(run)), ("role", run.Value(role)))).EndingSessions();
    }

    private static OperationCommand Remove(CliCommands commands)
    {
        var name = Takes.Name("NAME", "Name of the user");
        return Site(commands, "remove-user", "remove", "Remove a user and end that user's sessions", [name], run => Task.FromResult(Takes.Body(("user", run.Value(name))))).EndingSessions();
    }

    private static OperationCommand Site(
        CliCommands commands, string verb, string name, string description, IReadOnlyList<Symbol> takes, Func<Run, Task<JsonObject>> body) =>
        OperationCommand.On(commands, $"site.{verb}", name, description, takes, _ => Task.FromResult(""), async (run, _) => await body(run));
}
