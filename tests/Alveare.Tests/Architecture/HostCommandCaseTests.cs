using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Tests.Architecture;

/// <summary>A new capability of hosts is one record and one case in every implementation: the one that is missing is named.</summary>
public sealed class HostCommandCaseTests
{
    /// <summary>Implementations that treat every command alike: hand it on as it is, or refuse it.</summary>
    private static readonly string[] Forwarders = ["RemoteHost", "UnreachableHost", "SimulatedLink", "SimulatedHost"];

    /// <summary>Where the commands are told apart: project and file.</summary>
    public static TheoryData<string, string> Dispatchers => new() { { "Kvm", "KvmHost.cs" }, { "Simulation", "Agents/Agent.cs" } };

    [Theory]
    [MemberData(nameof(Dispatchers))]
    public void EveryCommandHasACase(string project, string file)
    {
        var source = File.ReadAllText(Path.Combine(Checkout.Source, $"Alveare.{project}", file));
        Assert.All(Commands(), c => Assert.True(
            Regex.IsMatch(source, $@"(case |^\s+){c}\b( \w+)?( when .*)?(:| =>)", RegexOptions.Multiline), $"{project}/{file} has no case for {c}."));
    }

    [Fact]
    public void EveryImplementationIsADispatcherOrAForwarder()
    {
        var implementations = Checkout.Projects.SelectMany(Checkout.FilesOf)
            .SelectMany(f => Regex.Matches(File.ReadAllText(f), @"class (\w+)[^\n{]*: (?:[^\n{]*, )?IHost\b").Select(m => m.Groups[1].Value));
        Assert.Equal([.. Forwarders.Append("KvmHost").Order()], implementations.Order());
    }

    [Fact]
    public void EveryCommandTravels() =>
        Assert.Equal(
            Commands().Order(),
            typeof(HostCommand).GetCustomAttributes(typeof(JsonDerivedTypeAttribute), false).Cast<JsonDerivedTypeAttribute>().Select(a => a.DerivedType.Name).Order());

    private static IEnumerable<string> Commands() =>
        typeof(HostCommand).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(HostCommand))).Select(t => t.Name);
}
