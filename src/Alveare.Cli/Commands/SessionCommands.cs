using System.CommandLine;
using System.Text.Json;
using Alveare.Cli.Client;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>login</c>, <c>logout</c>, <c>health</c>, <c>operations</c>.</summary>
internal static class SessionCommands
{
    public static IEnumerable<Command> All(CliCommands commands) => [LogIn(commands), LogOut(commands), Health(commands), Operations(commands)];

    private static Command LogIn(CliCommands commands) =>
        commands.New("login", "Log in with ALVEARE_USER and ALVEARE_PASSWORD, to see that it works", [], async run =>
        {
            var session = await run.LogInAsync();
            if (run.IsJson)
                run.WriteRecord(JsonSerializer.SerializeToElement(session with { Token = null }, RestJson.Contract<SessionAnswer>()));
            else
                await run.Environment.Out.WriteLineAsync($"Logged in at {run.Url} as {session.User} ({session.Role}).");
            return ExitCode.Done;
        });

    private static Command LogOut(CliCommands commands) =>
        commands.New("logout", "End the session and forget it", [], async run =>
        {
            var client = run.Open();
            client.Token = run.Tokens?.Find(run.Url, run.User);
            run.Tokens?.Forget(run.Url, run.User);
            try
            {
                if (client.Token is not null)
                    await client.LogOutAsync(run.Interrupted);
            }
            catch (RestFaultException e) when (e.Problem.Code == "NotAuthenticated")
            {
                // It had ended by itself.
            }

            return ExitCode.Done;
        });

    private static Command Health(CliCommands commands) =>
        commands.New("health", "Say whether the center serves; needs no login", [], async run =>
        {
            var record = await run.Open().GetAsync<JsonElement>("health", run.Interrupted);
            var health = RestClient.As<Health>(record);
            if (run.IsJson)
                run.WriteRecord(record);
            else
                await run.Environment.Out.WriteLineAsync($"The center at {run.Url} is {health.Status}: version {health.Version}, {health.Objects} objects.");
            return ExitCode.Done;
        });

    private static Command Operations(CliCommands commands) =>
        commands.New("operations", "List what the center can do, with the privilege each takes", [], async run =>
        {
            run.WriteList<OperationAnswer>(
                (await run.AskAsync(c => c.ListAsync("operations", run.Interrupted))).Items,
                new("OPERATION", o => o.Name),
                new("PRIVILEGE", o => o.Privilege),
                new("POWER", o => o.States.Count == 0 ? "any" : string.Join(", ", o.States)),
                new("SUMMARY", o => o.Summary));
            return ExitCode.Done;
        });
}
