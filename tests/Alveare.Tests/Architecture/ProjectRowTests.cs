using System.Xml.Linq;
using Xunit;

namespace Alveare.Tests.Architecture;

/// <summary>Holds the five rows of docs/architecture.md: references go down only.</summary>
public sealed class ProjectRowTests
{
    private static readonly Dictionary<string, int> Rows = new()
    {
        ["Model"] = 0, ["Wire"] = 0, ["Planning"] = 1, ["Core"] = 2, ["Kvm"] = 3, ["HostLink"] = 3, ["Simulation"] = 3, ["Api"] = 3,
        ["Host"] = 4, ["Center"] = 4, ["Cli"] = 4, ["Simulate"] = 4,
    };

    private static readonly string[] Pure = ["Model", "Planning", "Core", "Simulation"];

    public static TheoryData<string> Projects => [.. Checkout.Projects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void AProjectReferencesLowerRowsOnly(string project)
    {
        foreach (var reference in References(project))
            Assert.True(Rows[reference] < Rows[project], $"{project} (row {Rows[project]}) references {reference} (row {Rows[reference]}).");
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void ThePureProjectsAndNoOthersCarryTheBans(string project)
    {
        var isPure = Load(project).Descendants("AlvearePure").Any(e => e.Value == "true");
        Assert.Equal(Pure.Contains(project), isPure);
    }

    [Fact]
    public void TheCommandLineKnowsNothingOfTheServer() => Assert.DoesNotContain("Core", References("Cli"));

    private static IEnumerable<string> References(string project) =>
        Load(project).Descendants("ProjectReference")
            .Select(e => Path.GetFileNameWithoutExtension(e.Attribute("Include")!.Value)["Alveare.".Length..]);

    private static XDocument Load(string project) =>
        XDocument.Load(Path.Combine(Checkout.Source, $"Alveare.{project}", $"Alveare.{project}.csproj"));
}
