using System.Text.Json;
using Alveare.Cli.Running;
using Alveare.Core.Security;
using Alveare.Tests.Api;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary>The command line against the real API and engine, over simulated hosts.</summary>
public sealed class SiteLifeTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ASiteIsBuiltAndAMachineLivesInItFromCreationToLiveMigrationToItsEnd()
    {
        await DoneAsync("cluster", "create", "rack");
        foreach (var host in site.Simulation.Hosts)
        {
            var joined = await RunAsync("admin", [], ("ALVEARE_JOIN_PASSWORD", Alveare.Simulation.Sites.SimulatedSite.Password),
                "host", "join", host.Address, "--fingerprint", host.Fingerprint, "--cluster", "rack");
            Assert.True(joined.Code == ExitCode.Done, joined.Error);
        }

        await DoneAsync("datastore", "create", "shared", "/shared");
        await UntilListedAsync("datastore", "shared", "TiB");
        await DoneAsync("folder", "create", "web");
        await DoneAsync("portgroup", "create", "blue", "--vni", "5001");
        var created = await DoneAsync("vm", "create", "web01", "--cpus", "2", "--memory", "256M", "--disk", "1G", "--folder", "web", "--on", "h1", "--datastore", "shared", "--network", "blue");
        Assert.Matches(@"datacenter.create-vm north: succeeded in .*; made web01 \(vm-[0-9a-f]{32}\)", created);
        Assert.Contains("vm.power-on web01: succeeded", await DoneAsync("vm", "power-on", "north/web/web01"), StringComparison.Ordinal);
        Assert.Matches(@"web01 +on +h1 +2 +256 MiB", await DoneAsync("vm", "list"));

        Assert.Contains("vm.migrate web01: succeeded", await DoneAsync("vm", "migrate", "web01", "--to", "h2"), StringComparison.Ordinal);
        var login = JsonDocument.Parse(await DoneAsync("login", "--json")).RootElement;
        Assert.Equal(("admin", false), (login.GetProperty("user").GetString(), login.TryGetProperty("token", out _)));
        var json = JsonDocument.Parse(await DoneAsync("vm", "list", "--json", "--host", "h2")).RootElement;
        var vm = Assert.Single(json.EnumerateArray());
        Assert.Equal("on", vm.GetProperty("power").GetString());

        Assert.Contains("path: /north/web/web01", await DoneAsync("vm", "show", vm.GetProperty("id").GetString()!), StringComparison.Ordinal);
        var shown = await DoneAsync("vm", "show", "web01");
        foreach (var line in (string[])["id: vm-HEX", @"parent: web \(folder-HEX\)", @"host: h2 \(host-HEX\)", @"  datastore: shared \(ds-HEX\)"])
            Assert.Matches($"(?m)^{line.Replace("HEX", "[0-9a-f]{32}", StringComparison.Ordinal)}$", shown);
        Assert.Equal(vm.GetProperty("host").GetString(), JsonDocument.Parse(await DoneAsync("vm", "show", "web01", "--json")).RootElement.GetProperty("host").GetString());
        await DoneAsync("vm", "set-resources", "web01", "--disk", "1", "--iops-limit", "500", "--disk-bandwidth-limit", "20M", "--disk-shares", "high");
        await DoneAsync("vm", "set-resources", "web01", "--iops-limit", "0");
        Assert.Matches(@"control:\s+bandwidthLimit: 20 MiB/s\s+shares: 2000\n", await DoneAsync("vm", "show", "web01"));
        await DoneAsync("vm", "set-resources", "web01", "--nic", "1", "--out-limit", "10M", "--nic-shares", "low");
        Assert.Matches(@"control:\s+out:\s+average: 10 MiB/s\s+shares: 25\n", await DoneAsync("vm", "show", "web01"));
        var again = await RunAsync("admin", [], null, "vm", "power-on", "web01");
        Assert.Equal(ExitCode.Fault, again.Code);
        Assert.Contains("'web01' is on; this operation needs it to be off", again.Error, StringComparison.Ordinal);

        await DoneAsync("vm", "power-off", "web01");
        await DoneAsync("vm", "destroy", "web01");
        await DoneAsync("datacenter", "create", "south");
        Assert.Contains("datacenter.create-vm north: succeeded", await DoneAsync("vm", "create", "web02", "--on", "h1", "--datastore", "shared"), StringComparison.Ordinal);
        Assert.Contains("there are north, south", (await RunAsync("admin", [], null, "vm", "create", "web03")).Error, StringComparison.Ordinal);
        Assert.Matches("^alveare: No host, cluster or pool is named 'h8'. Did you mean 'h1'", (await RunAsync("admin", [], null, "vm", "create", "web03", "--on", "h8")).Error);
        Assert.Contains(
            "No port group is named 'bleu'. Did you mean 'blue'?",
            (await RunAsync("admin", [], null, "vm", "create", "web03", "--on", "h1", "--datastore", "shared", "--network", "bleu")).Error, StringComparison.Ordinal);
        await DoneAsync("vm", "unregister", "web02");
        Assert.Contains("datacenter.register-vm north: succeeded", await DoneAsync("vm", "register", "[shared] web02/web02.vmx"), StringComparison.Ordinal);
        await DoneAsync("cluster", "create", "shelf", "--datacenter", "south");
        await DoneAsync("vm", "clone", "web02", "web03", "--on", "h1");
        await DoneAsync("rule", "create", "pair", "together", "--vm", "web02", "--vm", "web03");
        Assert.Contains("pair", await DoneAsync("rule", "list", "--cluster", "rack"), StringComparison.Ordinal);
        Assert.Contains("name: pair", await DoneAsync("rule", "show", "pair"), StringComparison.Ordinal);
        await DoneAsync("rule", "remove", "pair");
        Assert.Contains("vm.destroy", await DoneAsync("task", "list"), StringComparison.Ordinal);
        Assert.Contains("session.login", await DoneAsync("event", "list", "--severity", "audit"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnAmbiguousNameListsItsCandidates()
    {
        // Named, because another test may have made a second one.
        await DoneAsync("folder", "create", "left", "--datacenter", "north");
        await DoneAsync("folder", "create", "left", "--datacenter", "north", "--in", "/north/left");
        var run = await RunAsync("admin", [], null, "folder", "show", "left");
        Assert.Equal(ExitCode.Fault, run.Code);
        Assert.Contains("/north/left ", run.Error, StringComparison.Ordinal);
        Assert.Contains("/north/left/left ", run.Error, StringComparison.Ordinal);
        Assert.Contains("path: /north/left/left", await DoneAsync("folder", "show", "left/left"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("read-only", "rita")]
    [InlineData("operator", "olga")]
    public async Task WhatARoleMayNotIsAFault(string role, string user)
    {
        var run = await RunAsync(user, [], null, "datacenter", "create", $"of-{role}");
        Assert.Equal(ExitCode.Fault, run.Code);
        Assert.Contains($"User '{user}' lacks the privilege inventory-change", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ATokenIsKeptForItsOwnerAndAnExpiredOneIsReplaced()
    {
        var cache = Directory.CreateTempSubdirectory("alveare-cli-");
        try
        {
            var variable = (CommandRun.CacheVariable, cache.FullName);
            Assert.Equal(ExitCode.Done, (await RunAsync("olga", [], variable, "login")).Code);
            var file = Assert.Single(cache.GetFiles());
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, file.UnixFileMode);
            var token = await File.ReadAllTextAsync(file.FullName, Cancellation);

            Assert.Equal(ExitCode.Done, (await RunAsync("olga", ["ALVEARE_PASSWORD"], variable, "vm", "list")).Code);
            Assert.Equal(token, await File.ReadAllTextAsync(file.FullName, Cancellation));

            site.Clock.Advance(Sessions.IdleTimeout);
            Assert.Equal(ExitCode.NotReachable, (await RunAsync("olga", ["ALVEARE_PASSWORD"], variable, "vm", "list")).Code);
            Assert.Equal(ExitCode.Done, (await RunAsync("olga", [], variable, "vm", "list")).Code);
            Assert.NotEqual(token, await File.ReadAllTextAsync(file.FullName, Cancellation));

            Assert.Equal(ExitCode.Done, (await RunAsync("olga", [], variable, "logout")).Code);
            Assert.Empty(cache.GetFiles());
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task AWrongPasswordIsNoLogin()
    {
        var run = await RunAsync("olga", [], ("ALVEARE_PASSWORD", "wrong horse"), "login");
        Assert.Equal(ExitCode.NotReachable, run.Code);
        Assert.Contains("The user name or password is wrong", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AUserIsMadeWithAPasswordThatIsNeverOnTheCommandLine()
    {
        var made = await RunAsync("admin", [], ("ALVEARE_NEW_PASSWORD", "battery staple"), "user", "create", "nina", "--role", "operator");
        Assert.True(made.Code == ExitCode.Done, made.Error);
        Assert.Equal(ExitCode.Done, (await RunAsync("nina", [], ("ALVEARE_PASSWORD", "battery staple"), "login")).Code);
        Assert.Matches("nina +operator", await DoneAsync("user", "list"));
        await DoneAsync("user", "remove", "nina");
        Assert.Equal(ExitCode.NotReachable, (await RunAsync("nina", [], ("ALVEARE_PASSWORD", "battery staple"), "login")).Code);
    }

    private async Task UntilListedAsync(string kind, string name, string text)
    {
        for (var tries = 0; tries < 100; tries++)
        {
            var line = (await DoneAsync(kind, "list")).Split('\n').FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
            if (line?.Contains(text, StringComparison.Ordinal) == true)
                return;
        }

        Assert.Fail($"The {kind} '{name}' never showed '{text}'.");
    }

    private async Task<string> DoneAsync(params string[] arguments)
    {
        var run = await RunAsync("admin", [], null, arguments);
        Assert.True(run.Code == ExitCode.Done, $"{string.Join(' ', arguments)}: {run.Code} {run.Error}");
        return run.Out;
    }

    private Task<CommandRun> RunAsync(string user, string[] without, (string Name, string Value)? with, params string[] arguments)
    {
        var variables = new Dictionary<string, string>
        {
            ["ALVEARE_URL"] = site.Url.ToString(), ["ALVEARE_USER"] = user, ["ALVEARE_PASSWORD"] = ApiSite.Password,
        };
        if (with is { } more)
            variables[more.Name] = more.Value;
        foreach (var name in without)
            variables.Remove(name);
        return CommandRun.OfAsync(variables, Cancellation, arguments);
    }
}
