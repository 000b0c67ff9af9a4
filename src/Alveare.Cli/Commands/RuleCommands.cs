using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alveare.Cli.Running;
using Alveare.Model.Faults;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>rule …</c>: rules over where a cluster's machines run, and the groups that they speak of.</summary>
internal static class RuleCommands
{
    private static readonly string[] Kinds = ["together", "apart", "on-hosts", "off-hosts", "start-after"];

    public static Command Group(CliCommands commands) => CliCommands.Group(
        "rule",
        "Rules over where a cluster's machines run",
        [
            List(commands),
            Show(commands),
            Create(commands),
            Set(commands),
            Named(commands, "cluster.enable-rule", "enable", "Let a rule count again", Holder.Rule, ("isEnabled", true)),
            Named(commands, "cluster.enable-rule", "disable", "Let a rule not count for now", Holder.Rule, ("isEnabled", false)),
            Named(commands, "cluster.remove-rule", "remove", "Remove a rule", Holder.Rule),
            SetGroup(commands, "vm-group", "vm", "machines"),
            SetGroup(commands, "host-group", "host", "hosts"),
            Named(commands, "cluster.remove-group", "remove-group", "Remove a group that no rule names", Holder.Group),
        ]);

    private static Command List(CliCommands commands)
    {
        var cluster = Takes.Existing(commands, "--cluster", "cluster", "Cluster; may be left out when there is only one");
        return commands.New("list", "List a cluster's rules and which of them are broken", [cluster], async run =>
        {
            var id = await run.NamedOrOnlyAsync("cluster", cluster);
            run.WriteList<RuleAnswerDto>(
                (await run.AskAsync(c => c.ListAsync($"clusters/{id}/rules", run.Interrupted))).Items,
                new("NAME", r => r.Rule.Name),
                new("KIND", r => r.Rule.Kind),
                new("HOLDS", r => r.Rule.IsMust ? "must" : "should"),
                new("PRIORITY", r => r.Rule.Priority.ToString(CultureInfo.InvariantCulture), IsNumber: true),
                new("STATE", r => !r.Rule.IsEnabled ? "disabled" : r.IsBroken ? "broken" : "kept"),
                new("BROKEN BY", r => string.Join(", ", r.Breaking)),
                new("MACHINES", r => string.Join(", ", r.Machines)),
                new("RULE", r => r.Text));
            return ExitCode.Done;
        });
    }

    private static Command Show(CliCommands commands)
    {
        var (name, cluster) = (Takes.Name("NAME", "Name of the rule"), Cluster(commands));
        return commands.New("show", "Show a rule, and which machines break it now", [name, cluster], async run =>
        {
            var id = await run.NamedOrOnlyAsync("cluster", cluster, (Holder.Rule, run.Value(name)));
            var rules = (await run.AskAsync(c => c.ListAsync($"clusters/{id}/rules", run.Interrupted))).Items;
            if (rules.Where(r => NameOf(r) == run.Value(name)).ToArray() is not [var found])
                throw new FaultException(NotFound.Among(rules.Select(NameOf), "rule", run.Value(name)));
            run.WriteRecord(run.IsJson ? found : await Generic.NamedAsync(run, found));
            return ExitCode.Done;
        });

        static string NameOf(JsonElement answer) => answer.GetProperty("rule").GetProperty("name").GetString()!;
    }

    private static OperationCommand Set(CliCommands commands)
    {
        var (name, cluster) = (Takes.Name("NAME", "Name of the rule"), Cluster(commands));
        var newName = Takes.Text("--name", "Its new name", "NAME");
        var vms = Takes.Texts("--vm", "A machine of the rule from now on", "VM");
        var groups = new Groups();
        var holds = Takes.Choice("--holds", "Whether it must hold or only should", "must", "should");
        var priority = Takes.Number("--priority", "0 to 100; rules with more are mended first");
        return OperationCommand.On(
            commands, "cluster.set-rule", "set", "Change a rule; what is not given stays", [name, newName, vms, .. groups.Options, holds, priority, cluster],
            run => run.NamedOrOnlyAsync("cluster", cluster, [(Holder.Rule, run.Value(name)), .. Machines(run, vms), .. groups.Places(run)]),
            async (run, _) => Takes.Body(
            [
                ("name", run.Value(name)),
                ("newName", run.Value(newName)),
                ("vms", run.Value(vms) is { Length: > 0 } named ? await run.IdsOfAsync("vm", named) : null),
                .. groups.Members(run),
                ("isPreference", run.Value(holds) is { } word ? word == "should" : null),
                ("priority", run.Value(priority)),
            ])).Changing(cluster);
    }

    private static OperationCommand Create(CliCommands commands)
    {
        var (name, cluster) = (Takes.Name("NAME", "Name of the new rule"), Cluster(commands));
        var kind = Takes.NameAmong("KIND", "What it asks of its machines", Kinds);
        var vms = Takes.Texts("--vm", "A machine of the rule", "VM");
        var groups = new Groups();
        var should = Takes.Flag("--should", "Only to be kept while nothing more important is in the way");
        var priority = Takes.Number("--priority", "0 to 100; rules with more are mended first; 50 by default");
        return OperationCommand.On(
            commands, "cluster.create-rule", "create", "Make a rule", [name, kind, vms, .. groups.Options, should, priority, cluster],
            run => run.NamedOrOnlyAsync("cluster", cluster, [.. Machines(run, vms), .. groups.Places(run)]),
            async (run, _) => Takes.Body(
            [
                ("name", run.Value(name)),
                ("kind", run.Value(kind)),
                ("vms", await run.IdsOfAsync("vm", run.Value(vms)!)),
                .. groups.Members(run),
                ("isPreference", run.Value(should) ? true : null),
                ("priority", run.Value(priority)),
            ]));
    }

    /// <param name="what">What the name is of: a rule or a group.</param>
    private static OperationCommand Named(
        CliCommands commands, string operation, string verb, string description, string what, params (string Name, object? Value)[] more)
    {
        var (name, cluster) = (Takes.Name("NAME", $"Name of the {what}"), Cluster(commands));
        return OperationCommand.On(
            commands, operation, verb, description, [name, cluster],
            run => run.NamedOrOnlyAsync("cluster", cluster, (what, run.Value(name))),
            (run, _) => Task.FromResult<JsonObject?>(Takes.Body([("name", run.Value(name)), .. more])));
    }

    private static OperationCommand SetGroup(CliCommands commands, string verb, string kind, string members)
    {
        var (name, cluster) = (Takes.Name("NAME", "Name of the group"), Cluster(commands));
        var objects = new Argument<string[]>(kind.ToUpperInvariant()) { Arity = ArgumentArity.ZeroOrMore, Description = $"All of its {members}", HelpName = kind.ToUpperInvariant() };
        return OperationCommand.On(
            commands, $"cluster.set-{verb}", verb, $"Make a group of {members}, or give one its members anew", [name, objects, cluster],
            run => run.NamedOrOnlyAsync("cluster", cluster, [.. run.Value(objects).Select(o => (kind, (string?)o))]),
            async (run, _) => Takes.Body(("name", run.Value(name)), ($"{kind}s", await run.IdsOfAsync(kind, run.Value(objects)!))));
    }

    private static Option<string?> Cluster(CliCommands commands) =>
        Takes.Existing(commands, "--cluster", "cluster", "Cluster; may be left out when it is clear from what else is named or there is only one");

    private static IEnumerable<(string Kind, string? Name)> Machines(Run run, Option<string[]> vms) => run.Value(vms)!.Select(v => ("vm", (string?)v));

    /// <summary>The groups of a rule, which create and set have in common.</summary>
    private sealed class Groups
    {
        private readonly Option<string?> _vms = Takes.Text("--vm-group", "The group of its machines", "GROUP");
        private readonly Option<string?> _hosts = Takes.Text("--host-group", "The group of hosts that its machines run on, or not", "GROUP");
        private readonly Option<string?> _after = Takes.Text("--after-group", "The group of machines that start first", "GROUP");

        public IEnumerable<Option> Options => [_vms, _hosts, _after];

        /// <summary>What says which cluster it is about.</summary>
        public IEnumerable<(string Kind, string? Name)> Places(Run run) => Options.Select(o => (Holder.Group, run.Value((Option<string?>)o)));

        public IEnumerable<(string Name, object? Value)> Members(Run run) =>
            [("vmGroup", run.Value(_vms)), ("hostGroup", run.Value(_hosts)), ("afterGroup", run.Value(_after))];
    }
}
