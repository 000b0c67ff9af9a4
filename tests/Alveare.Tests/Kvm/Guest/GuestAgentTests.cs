using Alveare.Kvm.Guest;
using Xunit;

namespace Alveare.Tests.Kvm.Guest;

public sealed class GuestAgentTests
{
    private const string Interfaces =
        """
        {"return":[{"name":"lo","ip-addresses":[{"ip-address":"127.0.0.1"}]},{"name":"eth0"},
        {"name":"eth1","ip-addresses":[{"ip-address":"fe80::1"},{"ip-address":"2001:db8::5"},{"ip-address":"192.0.2.7"},{"ip-address":"nonsense"},5]}]}
        """;

    // Nothing but the test's own answer decides.
    private static readonly AgentPatience Patient = new(Patience.Longest, Patience.Longest);

    [Fact]
    public async Task AGuestSaysWhatItIs()
    {
        using var agent = FakeAgent.Answering(command => command switch
        {
            "guest-get-host-name" => """{"return":{"host-name":"web-1"}}""",
            "guest-get-osinfo" => """{"return":{"pretty-name":"Debian GNU/Linux 12","name":"Debian"}}""",
            _ => Interfaces.ReplaceLineEndings(""),
        });

        var facts = await GuestAgent.ReadFactsAsync(agent.Path, Patient);

        Assert.Equal("web-1", facts!.HostName);
        Assert.Equal("Debian GNU/Linux 12", facts.OsName);
        Assert.Equal(["192.0.2.7", "2001:db8::5"], facts.Addresses);
    }

    [Fact]
    public async Task AnAgentThatLacksACommandIsHeardForTheOthers()
    {
        using var agent = FakeAgent.Answering(command => command == "guest-get-host-name"
            ? """{"return":{"host-name":"old"}}"""
            : """{"error":{"class":"CommandNotFound","desc":"no"}}""");

        var facts = await GuestAgent.ReadFactsAsync(agent.Path, Patient);

        Assert.Equal("old", facts!.HostName);
        Assert.Null(facts.OsName);
        Assert.Empty(facts.Addresses);
    }

    [Theory]
    [InlineData("[1,2,3]")]
    [InlineData("no JSON at all")]
    [InlineData("\0\0\0")]
    [InlineData("{\"return\":")]
    public async Task AnAnswerThatIsNoneIsNoAnswer(string answer)
    {
        using var agent = FakeAgent.Answering(_ => answer);
        Assert.Null(await GuestAgent.ReadFactsAsync(agent.Path));
    }

    [Fact]
    public async Task AnswersToAnEarlierConversationAreNotTakenForThisOnes()
    {
        using var agent = new FakeAgent(request => FakeAgent.Proper(request) is { } proper
            ? [FakeAgent.Line("""{"return":{"host-name":"stale"}}"""), [0xff, .. FakeAgent.Line("""{"return":1}""")], proper]
            : [FakeAgent.Line("""{"return":{"host-name":"fresh"}}""")]);

        Assert.Equal("fresh", (await GuestAgent.ReadFactsAsync(agent.Path, Patient))!.HostName);
    }

    [Fact]
    public async Task AFloodIsCutOff()
    {
        using var agent = new FakeAgent(_ => Enumerable.Repeat(new byte[16 * 1024], 1000));
        await Assert.ThrowsAsync<AgentException>(() => AgentConnection.ConnectAsync(agent.Path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task SilenceIsWaitedForAsLongAsTheCallerWants()
    {
        using var agent = new FakeAgent(_ => []);
        using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AgentConnection.ConnectAsync(agent.Path, limit.Token));
    }

    [Fact]
    public async Task NobodyThereIsNoAnswer() => Assert.Null(await GuestAgent.ReadFactsAsync("/nowhere/agent"));

    [Fact]
    public async Task AShutdownThatIsRefusedSaysSoAndSilenceIsConsentAndSoIsTheEndOfQemu()
    {
        using var refusing = FakeAgent.Answering(_ => """{"error":{"class":"GenericError","desc":"no"}}""");
        using var silent = new FakeAgent(request => FakeAgent.Proper(request) is { } proper ? [proper] : []);

        Assert.NotNull(await GuestAgent.ShutDownAsync(refusing.Path, Patient));
        Assert.Null(await GuestAgent.ShutDownAsync(silent.Path, Patient with { Refusal = TimeSpan.FromSeconds(1) }));
        using var quick = new FakeAgent(request => FakeAgent.Proper(request) is { } proper ? [proper] : throw new IOException("The guest is off."));
        Assert.Null(await GuestAgent.ShutDownAsync(quick.Path, Patient));
    }
}
