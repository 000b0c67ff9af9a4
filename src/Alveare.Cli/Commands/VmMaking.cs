using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Client;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary>Where machines come from: create, register, clone, deploy.</summary>
internal static class VmMaking
{
    public static IEnumerable<Command> All(CliCommands commands) =>
    [
        Create(commands),
        Register(commands),
        Clone(commands, "deploy", "Deploy a machine from a template", "template", isLinked: true),
        Clone(commands, "clone", "Clone a machine or template", "vm", isLinked: false),
    ];

    private static Command Create(CliCommands commands)
    {
        var name = Takes.Name("NAME", "Name of the new machine");
        var place = new Place(commands);
        var cpus = Takes.Number("--cpus", "Virtual CPUs; 1 by default");
        var memory = Takes.Size("--memory", "Memory; 512M by default");
        var disks = Takes.Sizes("--disk", "Size of an empty disk; may be given several times");
        var networks = Takes.Texts("--network", "Port group of a network card; may be given several times", "PORTGROUP");
        var uefi = Takes.Flag("--uefi", "Boot with UEFI instead of BIOS");
        return OperationCommand.On(
            commands, "datacenter.create-vm", "create", "Create a machine with empty disks",
            [name, .. place.Options, place.Datacenter, cpus, memory, disks, networks, uefi],
            run => place.DatacenterAsync(run, run.Value(place.Datastore)),
            async (run, _) => Takes.Body(
                ("name", run.Value(name)),
                ("folder", await place.FolderAsync(run)),
                ("datastore", await run.NamedOrOnlyAsync("datastore", place.Datastore)),
                ("location", await place.LocationAsync(run)),
                ("cpus", run.Value(cpus)),
                ("memory", run.Value(memory)),
                ("firmware", run.Value(uefi) ? "uefi" : null),
                ("disks", run.Value(disks).OrNull()),
                ("portGroups", run.Value(networks).OrNull())));
    }

    private static Command Register(CliCommands commands)
    {
        var path = Takes.Name("PATH", "Path of the .vmx in the datastore, such as web01/web01.vmx or '[shared] web01/web01.vmx'");
        var place = new Place(commands);
        return OperationCommand.On(
            commands, "datacenter.register-vm", "register", "Register a machine from its files",
            [path, .. place.Options, place.Datacenter],
            run => place.DatacenterAsync(run, DatastoreOf(run)),
            async (run, _) => Takes.Body(
                ("datastore", DatastoreOf(run) is { } datastore
                    ? await run.IdOfAsync("datastore", datastore)
                    : await run.NamedOrOnlyAsync("datastore", place.Datastore)),
                ("path", SplitPath(run.Value(path)).File),
                ("folder", await place.FolderAsync(run)),
                ("location", await place.LocationAsync(run))),
            WarnAsync);

        string? DatastoreOf(Run run)
        {
            var (named, other) = (SplitPath(run.Value(path)).Datastore, run.Value(place.Datastore));
            return named is not null && other is not null
                ? throw new UsageException($"The path names datastore '{named}' and --datastore names '{other}': leave one of them out.")
                : named ?? other;
        }
    }

    // "[datastore] directory/file" is how administrators are used to write it.
    private static (string? Datastore, string File) SplitPath(string path) =>
        path.StartsWith('[') && path.IndexOf(']', StringComparison.Ordinal) is > 1 and var end
            ? (path[1..end], path[(end + 1)..].TrimStart())
            : (null, path);

    // What cannot be read, or not all of it, is registered all the same, so that it is seen and can be mended: but nobody should take it for ready, or whole.
    private static async Task WarnAsync(Run run, TaskDto task)
    {
        if (task.Result is not { } id)
            return;
        var vm = RestClient.As<VmDto>((await run.AskAsync(c => c.LookUpAsync("vm", id, run.Interrupted))).Object);
        if (vm.InvalidReason is { } reason)
            await run.Environment.Error.WriteLineAsync($"alveare: '{vm.Name}' is registered, but its files cannot be used: {reason}. Mend them and register it again.");
        if (vm.Spec is { DevicesLeftOut: { Count: > 0 } devices })
            await run.Environment.Error.WriteLineAsync($"alveare: '{vm.Name}' is registered without {string.Join(", ", devices)}: its files name these devices, and machines here do not have them.");
    }

    private static Command Clone(CliCommands commands, string verb, string description, string sourceKind, bool isLinked)
    {
        var source = Takes.Existing(commands, sourceKind);
        var name = Takes.Name("NAME", "Name of the new machine");
        var place = new Place(commands);
        var linked = isLinked
            ? Takes.Flag("--full", "A complete copy of the disks, instead of layers over the template's")
            : Takes.Flag("--linked", "Layers over the source's disks, which must stay unchanged, instead of a complete copy");
        var cpus = Takes.Number("--cpus", "Virtual CPUs; as the source by default");
        var memory = Takes.Size("--memory", "Memory; as the source by default");
        var networks = Takes.Texts("--network", "Port group of a network card, instead of the source's; may be given several times", "PORTGROUP");
        var template = Takes.Flag("--as-template", "Make a template instead of a machine");
        var start = Takes.Flag("--power-on", "Power it on when it is made");
        var guest = new GuestOptions();
        return OperationCommand.On(
            commands, "vm.clone", verb, description,
            [source, name, .. place.Options, linked, cpus, memory, networks, template, start, .. guest.Options],
            run => run.IdOfAsync(sourceKind, run.Value(source)),
            async (run, _) => Takes.Body(
                ("name", run.Value(name)),
                ("folder", await place.FolderAsync(run)),
                ("datastore", await run.IdOfAsync("datastore", place.Datastore)),
                ("location", await place.LocationAsync(run)),
                ("kind", run.Value(linked) == isLinked ? "full" : "linked"),
                ("cpus", run.Value(cpus)),
                ("memory", run.Value(memory)),
                ("portGroups", run.Value(networks).OrNull()),
                ("customization", guest.Body(run)),
                ("asTemplate", run.Value(template) ? true : null),
                ("powerOn", run.Value(start) ? true : null)));
    }

    /// <summary>The options that say where a machine goes.</summary>
    private sealed class Place(CliCommands commands)
    {
        private const string Places = "host,cluster,pool";

        private readonly Option<string?> _on = Takes.Existing(commands, "--on", Places, "Host or cluster to put it on, or resource pool to put it into; placement chooses otherwise");
        private readonly Option<string?> _folder = Takes.Existing(commands, "--folder", "folder", "Folder in the inventory");

        public Option<string?> Datastore { get; } = Takes.Existing(commands, "--datastore", "datastore", "Datastore of its files; may be left out when it is clear");

        public Option<string?> Datacenter { get; } = Takes.Existing(commands, "--datacenter", "datacenter", "Datacenter; may be left out when it is clear from the place or there is only one");

        public IEnumerable<Option> Options => [_on, Datastore, _folder];

        /// <summary>The id of the datacenter that is named, or that what else is named is in, or that is the only one.</summary>
        public Task<string> DatacenterAsync(Run run, string? datastore) =>
            run.NamedOrOnlyAsync("datacenter", Datacenter, (Places, run.Value(_on)), ("folder", run.Value(_folder)), ("datastore", datastore));

        public Task<string?> FolderAsync(Run run) => run.IdOfAsync("folder", _folder);

        // A host and a cluster may have one name: the server lists both then.
        public Task<string?> LocationAsync(Run run) => run.IdOfAsync(Places, _on);
    }

    /// <summary>The options of what the guest is told at its first boot.</summary>
    private sealed class GuestOptions
    {
        private readonly Option<string?> _hostName = Takes.Text("--hostname", "Host name of the guest", "NAME");
        private readonly Option<string?> _address = Takes.Text("--address", "IPv4 address with prefix of the first network card, such as 192.0.2.10/24; DHCP otherwise", "IP/N");
        private readonly Option<string?> _gateway = Takes.Text("--gateway", "Default gateway", "IP");
        private readonly Option<string[]> _keys = Takes.Texts("--ssh-key", "Line of an SSH public key that may log in; may be given several times", "KEY");
        private readonly Option<string[]> _commands = Takes.Texts("--run", "Shell line to run once at the end of the first boot; may be given several times", "LINE");

        public IEnumerable<Option> Options => [_hostName, _address, _gateway, _keys, _commands];

        public JsonObject? Body(Run run)
        {
            var body = Takes.Body(
                ("hostName", run.Value(_hostName)),
                ("address", run.Value(_address)),
                ("gateway", run.Value(_gateway)),
                ("sshKeys", run.Value(_keys).OrNull()),
                ("commands", run.Value(_commands).OrNull()));
            return body.Count == 0 ? null : body;
        }
    }
}
