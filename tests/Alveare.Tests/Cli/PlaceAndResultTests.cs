using System.Diagnostics;
using Alveare.Cli.Running;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary>Where commands work when there are several places, and how their results read.</summary>
public sealed class PlaceAndResultTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("host join 1.2.3.4:7443 --fingerprint AB --cluster rack", "datacenters/dc-2:join-host")]
    [InlineData("folder create web --in apps", "datacenters/dc-2:create-folder")]
    [InlineData("vm create web01 --on h1 --datastore shared", "datacenters/dc-2:create-vm")]
    [InlineData("vm register [shared]web01/web01.vmx", "datacenters/dc-2:register-vm")]
    [InlineData("pool create shop --in prod", "clusters/cluster-2:create-pool")]
    [InlineData("rule create pair apart --vm web01 --vm web02", "clusters/cluster-2:create-rule")]
    [InlineData("rule create pair apart --vm-group webs", "clusters/cluster-2:create-rule")]
    [InlineData("rule create pair apart --vm web01 --vm-group both", "clusters/cluster-2:create-rule")]
    [InlineData("rule create pair apart --vm web01 --vm stray", "clusters/cluster-2:create-rule")]
    [InlineData("rule set spread --priority 7", "clusters/cluster-2:set-rule")]
    [InlineData("rule disable spread", "clusters/cluster-2:enable-rule")]
    [InlineData("rule vm-group dbs web01", "clusters/cluster-2:set-vm-group")]
    [InlineData("rule host-group left h1", "clusters/cluster-2:set-host-group")]
    [InlineData("rule remove-group webs", "clusters/cluster-2:remove-group")]
    public async Task WhatHoldsANamedPlaceNeedNotBeNamed(string line, string expected)
    {
        await using var center = await TwoOfEachAsync();
        center.Variables["ALVEARE_JOIN_PASSWORD"] = "secret";
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, line.Split(' '));
        Assert.Equal((ExitCode.Done, ""), (run.Code, run.Error));
        Assert.Contains(center.Asked, a => a.StartsWith($"POST /api/{expected}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("rule create pair apart --vm web01 --vm db01", "Which cluster? Give --cluster; 'web01' is in rack, 'db01' is in shelf.")]
    [InlineData("rule create pair apart --vm-group both", "Which cluster? Give --cluster; 'both' is in shelf and rack.")]
    [InlineData("rule create pair apart --vm stray --vm homeless", "Which cluster? Give --cluster; there are shelf, rack.")]
    [InlineData("rule host-group free spare", "Which cluster? Give --cluster; there are shelf, rack.")]
    [InlineData("vm register web01/web01.vmx", "Which datacenter? Give --datacenter; there are north, south.")]
    [InlineData("vm create web01 --on h1 --datastore local", "Which datacenter? Give --datacenter; 'h1' is in south, 'local' is in north.")]
    public async Task WhatIsInSeveralOrSaysNothingIsAskedFor(string line, string expected)
    {
        await using var center = await TwoOfEachAsync();
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, line.Split(' '));
        Assert.Equal((ExitCode.Usage, $"alveare: {expected}\n"), (run.Code, run.Error));
        Assert.DoesNotContain(center.Asked, a => a.StartsWith("POST /api/c", StringComparison.Ordinal) || a.StartsWith("POST /api/d", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("rule disable spred", "No rule is named 'spred'. Did you mean 'spread'?")]
    [InlineData("rule create pair apart --vm-group web", "No group is named 'web'. Did you mean 'webs'?")]
    public async Task AnUnknownRuleOrGroupIsSaidAlsoWhereThereAreSeveralClusters(string line, string expected)
    {
        await using var center = await TwoOfEachAsync();
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, line.Split(' '));
        Assert.Equal((ExitCode.Fault, $"alveare: {expected}\n"), (run.Code, run.Error));
    }

    [Fact]
    public async Task AnOptionForSeveralKindsIsCompletedWithTheNamesOfAll()
    {
        await using var center = await ScriptedCenter.OpenAsync(asked => (200, asked switch
        {
            "GET /api/hosts" => """{"items":[{"id":"host-1","name":"rack-h1"}],"total":1,"position":"0"}""",
            "GET /api/clusters" => """{"items":[{"id":"cluster-1","name":"rack"},{"id":"cluster-2","name":"shelf"}],"total":2,"position":"0"}""",
            _ => """{"items":[],"total":0,"position":"0"}""",
        }));
        const string Line = "alveare vm create web01 --on r";
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, $"[suggest:{Line.Length}]", Line);
        Assert.Equal(["rack", "rack-h1"], run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task WithoutOneTheCommandSaysHowToMakeOne()
    {
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, """{"items":[],"total":0,"position":"0"}"""));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "cluster", "create", "rack");
        Assert.Equal((ExitCode.Usage, "alveare: There is no datacenter yet; 'alveare datacenter create' makes one.\n"), (run.Code, run.Error));
    }

    [Theory]
    [InlineData("site.rename", "cluster-1", "prod", "; prod (cluster-1)")]
    [InlineData("datacenter.join-host", "host-1", "h1", "; h1 (host-1)")]
    [InlineData("datacenter.create-cluster", "cluster-1", "rack", "; made rack (cluster-1)")]
    [InlineData("vm.clone", "vm-2", "web02", "; made web02 (vm-2)")]
    [InlineData("vm.power-on", "host-1", "h1", "; on host h1")]
    [InlineData("vm.mark-template", "vm-1", "web01", "")]
    public async Task AResultReadsAsWhatItIs(string operation, string result, string name, string expected)
    {
        var task = ScriptedCenter.Task("succeeded", $$""","endedAt":"2026-01-01T00:00:02+00:00","result":"{{result}}","resultName":"{{name}}" """).Replace("vm.migrate", operation, StringComparison.Ordinal);
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, task));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "task", "wait", "task-7");
        Assert.Equal((ExitCode.Done, $"{operation} web01: succeeded in 2.0 s{expected}\n"), (run.Code, run.Out));
    }

    [Fact]
    public async Task WhatAppliedRecommendationsCameToIsSaid()
    {
        var task = ScriptedCenter.Task("succeeded", ""","endedAt":"2026-01-01T00:00:02+00:00","step":"there was nothing to apply" """)
            .Replace("vm.migrate", "cluster.apply-recommendations", StringComparison.Ordinal);
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, task));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "task", "wait", "task-7");
        Assert.Equal((ExitCode.Done, "cluster.apply-recommendations web01: succeeded in 2.0 s; there was nothing to apply\n"), (run.Code, run.Out));
    }

    [Fact]
    public async Task WhatAMachineIsRegisteredWithoutIsSaid()
    {
        var task = ScriptedCenter.Task("succeeded", ""","endedAt":"2026-01-01T00:00:02+00:00","result":"vm-1","resultName":"web01" """).Replace("vm.migrate", "datacenter.register-vm", StringComparison.Ordinal);
        const string Machine = """
            {"path":"/south/web01","object":{"id":"vm-1","kind":"vm","name":"web01","power":"off","isStale":false,"lockEpoch":1,"config":{"datastore":"ds-1","path":"web01/web01.vmx"},
            "spec":{"uuid":"00000000-0000-0000-0000-000000000001","name":"web01","cpus":1,"memory":1048576,"firmware":"bios","isTemplate":false,"disks":[],"nics":[],
            "devicesLeftOut":["CD-ROM ide1:0","passed-through PCI device pciPassthru0"]}}}
            """;
        await using var center = await ScriptedCenter.OpenAsync(
            asked => (200, asked.StartsWith("POST", StringComparison.Ordinal) ? task : """{"items":[{"id":"dc-1","name":"south"}],"total":1,"position":"0"}"""),
            query => query.Contains("name=vm-1", StringComparison.Ordinal) ? Machine : query.Contains("name=shared", StringComparison.Ordinal) ? Located("/south/shared", "ds-1") : null);
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "register", "[shared] web01/web01.vmx");
        Assert.Equal(
            (ExitCode.Done, "alveare: 'web01' is registered without CD-ROM ide1:0, passed-through PCI device pciPassthru0: its files name these devices, and machines here do not have them.\n"),
            (run.Code, run.Error));
    }

    [Fact]
    public async Task AnOptionForTemplatesIsCompletedWithTheirNames()
    {
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, """{"items":[{"id":"vm-1","name":"debian"}],"total":1,"position":"0"}"""));
        const string Line = "alveare vm deploy d";
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, $"[suggest:{Line.Length}]", Line);
        Assert.Equal("debian", run.Out.Split('\n')[0]);
        Assert.Contains("GET /api/vms?template=true", center.Asked);
    }

    [Fact]
    public async Task AMigrationSaysWhereTo()
    {
        var task = ScriptedCenter.Task(
            "succeeded",
            ""","endedAt":"2026-01-01T00:00:02+00:00","result":"host-1","resultName":"h1","figures":{"total":"00:00:02","pause":"00:00:00.025","transferred":1048576}""");
        await using var center = await ScriptedCenter.OpenAsync(_ => (200, task));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "task", "wait", "task-7");
        Assert.Equal("vm.migrate web01: succeeded in 2.0 s; on host h1; guest paused 25 ms, 1 MiB sent\n", run.Out);
    }

    [Fact]
    public async Task NoSamplesAreNothingToAskFor()
    {
        await using var center = await ScriptedCenter.OpenAsync(_ => (500, "{}"));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "vm", "stats", "web01", "--last", "0");
        Assert.Equal((ExitCode.Usage, "alveare: --last is '0', expected 1 or more.\n"), (run.Code, run.Error));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PoolsAreListedWithWhatTheyAreInAndWhatTheirDevicesAreHeldTo(bool isHeld)
    {
        const string Plain = """{"cpu":{"reservation":0,"isExpandable":true},"memory":{"reservation":0,"isExpandable":true},"disk":{},"network":{}}""";
        const string Held = """{"cpu":{"reservation":0,"isExpandable":true},"memory":{"reservation":0,"isExpandable":true},"disk":{"iopsLimit":500,"bandwidthLimit":52428800},"network":{"outLimit":1048576,"shares":200}}""";
        await using var center = await ScriptedCenter.OpenAsync(asked => asked == "GET /api/clusters"
            ? (200, """{"items":[{"id":"cluster-1","kind":"cluster","name":"rack"}],"total":1,"position":"0"}""")
            : (200, $$$"""
                {"items":[{"id":"pool-1","kind":"pool","name":"prod","parent":"cluster-1","controls":{{{Plain}}}},
                {"id":"pool-2","kind":"pool","name":"shop","parent":"pool-1","controls":{{{(isHeld ? Held : Plain)}}}}],"total":2,"position":"0"}
                """));
        var run = await CommandRun.OfAsync(center.Variables, Cancellation, "pool", "list");
        Assert.Equal(
            [["NAME", "IN"], ["prod", "rack"], ["shop", "prod"]],
            run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..2]));
        // What none of them has takes no column.
        Assert.EndsWith(isHeld ? "MEMORY SHARES  IOPS LIMIT  DISK LIMIT  OUT LIMIT  NIC SHARES" : "MEMORY SHARES", run.Out.Split('\n')[0], StringComparison.Ordinal);
        if (isHeld)
        {
            Assert.Matches(@"prod .* normal +- +- +- +-\n", run.Out);
            Assert.Matches(@"shop .* normal +500 +50 MiB/s +1 MiB/s +200\n", run.Out);
        }
    }

    [Fact]
    public async Task ARuleIsShownWithNamesAndAnUnknownOneIsSaid()
    {
        const string Vm = "vm-11111111222233334444555555555555";
        await using var center = await ScriptedCenter.OpenAsync(
            asked => asked == "GET /api/clusters"
                ? (200, """{"items":[{"id":"cluster-1","name":"rack"}],"total":1,"position":"0"}""")
                : (200, $$$"""{"items":[{"rule":{"name":"pair","vms":["{{{Vm}}}"]}}],"total":1,"position":"0"}"""), Locate);
        var shown = await CommandRun.OfAsync(center.Variables, Cancellation, "rule", "show", "pair");
        Assert.Contains($"vms: web01 ({Vm})", shown.Out, StringComparison.Ordinal);
        var unknown = await CommandRun.OfAsync(center.Variables, Cancellation, "rule", "show", "nope");
        Assert.Equal((ExitCode.Fault, "alveare: No rule is named 'nope'.\n"), (unknown.Code, unknown.Error));
    }

    [Theory]
    [InlineData("alveare ", "vm host")]
    [InlineData("alveare v", "vm")]
    [InlineData("alveare --", "--json --url")]
    [InlineData("alveare -", "--json -h --url")]
    public async Task BashOffersOptionsOnceADashIsTyped(string line, string expected)
    {
        var script = (await CommandRun.OfAsync(new Dictionary<string, string>(), Cancellation, "completion", "bash")).Out;
        var start = new ProcessStartInfo("bash", ["-c", $$"""
            {{script}}
            alveare() { printf '%s\n' --json -h --url vm host; }
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_WORDS=(alveare '{{line.Split(' ')[1]}}') COMP_CWORD=1
            _alveare
            echo "${COMPREPLY[*]}"
            """])
        {
            RedirectStandardOutput = true,
        };
        using var bash = Process.Start(start)!;
        Assert.Equal(expected, (await bash.StandardOutput.ReadToEndAsync(Cancellation)).TrimEnd());
        await bash.WaitForExitAsync(Cancellation);
    }

    // Two datacenters, and in the second one cluster, in whose host web01 and web02 are; db01 is in the other.
    private static Task<ScriptedCenter> TwoOfEachAsync() => ScriptedCenter.OpenAsync(
        asked => asked switch
        {
            "GET /api/clusters" => (200, """
                {"items":[{"id":"cluster-1","name":"shelf","rules":[],"vmGroups":[{"name":"both"}],"hostGroups":[]},
                {"id":"cluster-2","name":"rack","rules":[{"name":"spread"}],"vmGroups":[{"name":"webs"},{"name":"both"}],"hostGroups":[]}],"total":2,"position":"0"}
                """),
            _ when asked.StartsWith("POST", StringComparison.Ordinal) => (200, ScriptedCenter.Task("succeeded")),
            _ => (200, """{"items":[{"id":"dc-1","name":"north"},{"id":"dc-2","name":"south"}],"total":2,"position":"0"}"""),
        },
        Locate);

    // What each name of the tests is, by the query of a lookup.
    private static string? Locate(string query) => query switch
    {
        _ when query.Contains("name=web0", StringComparison.Ordinal) => Located("/south/web01", "vm-1", "web01", "host-1"),
        _ when query.Contains("name=db01", StringComparison.Ordinal) => Located("/north/db01", "vm-2", "db01", "host-2"),
        _ when query.Contains("name=stray", StringComparison.Ordinal) => Located("/north/stray", "vm-3", "stray", "host-3"),
        _ when query.Contains("name=homeless", StringComparison.Ordinal) => Located("/north/homeless", "vm-4"),
        _ when query.Contains("name=host-1", StringComparison.Ordinal) => Located("/south/rack/h1", "host-1"),
        _ when query.Contains("name=host-2", StringComparison.Ordinal) => Located("/north/shelf/h2", "host-2"),
        _ when query.Contains("name=host-3", StringComparison.Ordinal) || query.Contains("name=spare", StringComparison.Ordinal) => Located("/north/spare", "host-3"),
        _ when query.Contains("name=local", StringComparison.Ordinal) => Located("/north/local", "ds-2"),
        _ when query.Contains("name=%2Fnorth%2Fshelf", StringComparison.Ordinal) => Located("/north/shelf", "cluster-1"),
        _ when query.Contains("name=%2Fnorth", StringComparison.Ordinal) => Located("/north", "dc-1"),
        _ when query.Contains("name=rack", StringComparison.Ordinal) => Located("/south/rack", "cluster-2"),
        _ when query.Contains("name=apps", StringComparison.Ordinal) => Located("/south/apps", "folder-1"),
        _ when query.Contains("name=h1", StringComparison.Ordinal) => Located("/south/rack/h1", "host-1"),
        _ when query.Contains("name=prod", StringComparison.Ordinal) => Located("/south/rack/prod", "pool-1"),
        _ when query.Contains("name=shared", StringComparison.Ordinal) => Located("/south/shared", "ds-1"),
        _ when query.Contains("name=%2Fsouth%2Frack", StringComparison.Ordinal) => Located("/south/rack", "cluster-2"),
        _ when query.Contains("name=%2Fsouth", StringComparison.Ordinal) => Located("/south", "dc-2"),
        _ when query.Contains("name=vm-1", StringComparison.Ordinal) => Located("/south/web01", "vm-1", "web01"),
        _ => null,
    };

    private static string Located(string path, string id, string name = "x", string? host = null) =>
        $$$"""{"path":"{{{path}}}","object":{"id":"{{{id}}}","name":"{{{name}}}","host":{{{(host is null ? "null" : $"\"{host}\"")}}} }}""";
}
