using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Placement;

/// <summary>Which CPU baselines hosts could have together.</summary>
public sealed class CpuBaselinesTests
{
    [Fact]
    public void TheHighestLevelIsThatOfTheWeakestHost() => Gen.Int[0, 3].List[1, 6].Sample(levels =>
    {
        var hosts = levels.Select(l => HostOf(CpuBaselines.Levels[l])).ToList();
        Assert.Equal(CpuBaselines.Levels[levels.Min()], CpuBaselines.HighestLevel(hosts));
        Assert.All(hosts, h => Assert.Equal([], CpuBaselines.Missing(CpuBaselines.HighestLevel(hosts)!, h)!.Value));
    });

    [Fact]
    public void WithoutAHostThereIsNoLevelAndNoModel()
    {
        Assert.Null(CpuBaselines.HighestLevel([]));
        Assert.Empty(CpuBaselines.CommonModels([]));
    }

    [Fact]
    public void AModelIsCommonWhenNoHostLacksAnythingOfIt()
    {
        var one = HostOf("x86-64-v3") with { CpuModels = [new("Haswell", []), new("Westmere", [])] };
        var other = HostOf("x86-64-v2") with { CpuModels = [new("Haswell", ["avx2"]), new("Westmere", [])] };
        Assert.Equal(["Westmere"], CpuBaselines.CommonModels([one, other]));
        Assert.Equal(["avx2"], CpuBaselines.Missing("Haswell", other)!.Value);
        Assert.Null(CpuBaselines.Missing("Merom", one));
    }

    [Theory]
    [InlineData("x86-64-v2", "x86-64-v2", true)]
    [InlineData("x86-64-v2", "x86-64-v1", true)]
    [InlineData("x86-64-v2", "x86-64-v3", false)]
    [InlineData("x86-64-v3", "x86-64-v2", true)]
    [InlineData("Westmere", "Westmere", true)]
    [InlineData("x86-64-v4", "Haswell", false)]
    [InlineData("x86-64-v2", null, true)]
    [InlineData("Cascadelake-Server-noTSX", "x86-64-v4", true)]
    [InlineData("Skylake-Client-noTSX-IBRS", "x86-64-v3", true)]
    [InlineData("Skylake-Client-noTSX-IBRS", "x86-64-v4", false)]
    [InlineData("KnightsMill", "x86-64-v4", false)]
    [InlineData("EPYC-IBPB", "x86-64-v3", true)]
    [InlineData("EPYC-Genoa-v2", "x86-64-v4", true)]
    [InlineData("Denverton", "x86-64-v2", true)]
    [InlineData("Denverton", "x86-64-v3", false)]
    [InlineData("Penryn", "x86-64-v2", false)]
    [InlineData("Westmere", "Westmere-IBRS", false)]
    [InlineData("EPYC-Unheard", "x86-64-v2", false)]
    public void ABaselineCoversWhatHasNoMore(string baseline, string? guest, bool expected) =>
        Assert.Equal(expected, CpuBaselines.Covers(baseline, guest));

    [Fact]
    public void ASurveySaysOfEachHostWhatItLacksOfTheNextLevel()
    {
        var survey = CpuSurvey.Of(null, [new("h2", HostOf("x86-64-v2")), new("h1", HostOf("x86-64-v4"))]);
        Assert.Equal("x86-64-v2", survey.HighestLevel);
        Assert.Equal(["h1", "h2"], survey.Hosts.Select(h => h.Host));
        Assert.Equal((null, "x86-64-v3"), (survey.Hosts[0].NextLevel, survey.Hosts[1].NextLevel));
        Assert.Contains("avx2", survey.Hosts[1].MissingOfNext);
    }

    private static HostFacts HostOf(string level) => new()
    {
        Id = EntityId.Host(Guid.Empty),
        HostName = level,
        AgentVersion = "1",
        QemuVersion = "7.2",
        Accelerator = Accelerator.Kvm,
        CpuThreads = 1,
        CpuClock = new Megahertz(1000),
        CpuModel = level,
        CpuFeatures = CpuModels.FeaturesOf(level),
        Memory = Bytes.FromGib(1),
        MigrationAddress = "198.18.0.1",
    };
}
