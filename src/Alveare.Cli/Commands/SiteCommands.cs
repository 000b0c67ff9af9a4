using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>datacenter …</c>, <c>folder …</c>, <c>cluster …</c>, <c>datastore …</c> and <c>portgroup …</c></summary>
internal static class SiteCommands
{
    public static IEnumerable<Command> Groups(CliCommands commands) =>
    [
        CliCommands.Group("datacenter", "Datacenters, which hold everything else", [.. Container(commands, "datacenter"), CreateDatacenter(commands)]),
        CliCommands.Group("cluster", "Clusters of hosts", [.. Container(commands, "cluster"), CreateCluster(commands), .. ClusterCommands.Of(commands), .. BalanceCommands.All(commands), PowerCommands.OfClusters(commands)]),
        CliCommands.Group("folder", "Folders of machines", [.. Container(commands, "folder"), CreateFolder(commands), Generic.Move(commands, "folder", "folder,datacenter")]),
        CliCommands.Group(
            "datastore",
            "Datastores, which hold machines' files",
            [
                Generic.List<DatastoreDto>(
                    commands,
                    "datastore",
                    new("NAME", d => d.Name),
                    new("PATH", d => d.Path),
                    new("CAPACITY", d => Amounts.Size(d.Capacity), IsNumber: true),
                    new("FREE", d => Amounts.Size(d.Free), IsNumber: true)),
                Generic.Show(commands, "datastore"),
                CreateDatastore(commands),
                Remove(commands, "datastore", "Stop offering a datastore; its files stay"),
                Generic.Rename(commands, "datastore"),
            ]),
        CliCommands.Group(
            "portgroup",
            "Port groups, the networks of machines",
            [
                Generic.List<PortGroupDto>(commands, "portgroup", new("NAME", p => p.Name), new("VNI", p => p.Vni.ToString(), IsNumber: true)),
                Generic.Show(commands, "portgroup"),
                CreatePortGroup(commands),
                Remove(commands, "portgroup", "Remove a port group that no machine uses"),
                Generic.Rename(commands, "portgroup"),
            ]),
    ];

    private static IEnumerable<Command> Container(CliCommands commands, string kind) =>
    [
        Generic.List<ObjectDto>(commands, kind, new Column<ObjectDto>("NAME", o => o.Name), new Column<ObjectDto>("ID", o => o.Id)),
        Generic.Show(commands, kind),
        Generic.RemoveContainer(commands, kind),
        Generic.Rename(commands, kind),
    ];

    private static OperationCommand Remove(CliCommands commands, string kind, string description) =>
        OperationCommand.OnMany(commands, $"{kind}.remove", description, [], _ => Task.FromResult<JsonObject?>(null));

    private static OperationCommand CreateDatacenter(CliCommands commands)
    {
        var name = Takes.Name("NAME", "Name of the new datacenter");
        return OperationCommand.On(
            commands, "site.create-datacenter", "create", "Create a datacenter", [name],
            _ => Task.FromResult(""),
            (run, _) => Task.FromResult<JsonObject?>(Takes.Body(("name", run.Value(name)))));
    }

    private static OperationCommand CreateCluster(CliCommands commands) => CreateIn(commands, "cluster", [], (_, body) => Task.FromResult(body));

    private static OperationCommand CreateFolder(CliCommands commands)
    {
        var folder = Takes.Existing(commands, "--in", "folder", "Folder to create it in; the datacenter itself by default");
        return CreateIn(
            commands, "folder", [folder],
            async (run, body) =>
            {
                if (await run.IdOfAsync("folder", folder) is { } id)
                    body["folder"] = id;
                return body;
            },
            run => ("folder", run.Value(folder)));
    }

    private static OperationCommand CreateDatastore(CliCommands commands)
    {
        var path = Takes.Name("PATH", "Absolute directory on the hosts");
        return CreateIn(commands, "datastore", [path], (run, body) =>
        {
            body["path"] = run.Value(path);
            return Task.FromResult(body);
        });
    }

    private static OperationCommand CreatePortGroup(CliCommands commands)
    {
        var vni = Takes.Number("--vni", "VXLAN network identifier; the lowest free one from 100 by default");
        return CreateIn(commands, "portgroup", [vni], (run, body) =>
        {
            if (run.Value(vni) is { } number)
                body["vni"] = number;
            return Task.FromResult(body);
        });
    }

    /// <param name="inside">What is named in the datacenter, with its kind.</param>
    private static OperationCommand CreateIn(
        CliCommands commands, string kind, IReadOnlyList<Symbol> takes, Func<Run, JsonObject, Task<JsonObject>> fill, params Func<Run, (string Kind, string? Name)>[] inside)
    {
        var name = Takes.Name("NAME", $"Name of the new {kind}");
        var datacenter = Takes.Existing(commands, "--datacenter", "datacenter", "Datacenter; may be left out when it is clear from the rest or there is only one");
        return OperationCommand.On(
            commands, $"datacenter.create-{kind}", "create", $"Create a {kind}", [name, .. takes, datacenter],
            run => run.NamedOrOnlyAsync("datacenter", datacenter, inside.Select(i => i(run))),
            async (run, _) => await fill(run, Takes.Body(("name", run.Value(name)))));
    }
}
