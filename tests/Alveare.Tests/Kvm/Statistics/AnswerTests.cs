using Alveare.Kvm.Qmp;
using Alveare.Kvm.Statistics;
using Alveare.Tests.Kvm.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Statistics;

/// <summary>Questions for figures to a QEMU that says what it likes.</summary>
public sealed class AnswerTests
{
    [Theory]
    [InlineData("""{"return": [{}]}""")]
    [InlineData("""{"return": {}}""")]
    [InlineData("""{"return": [{"qdev": 1, "stats": {"rd_bytes": "many"}}]}""")]
    [InlineData("{}")]
    [InlineData("""{"error": 7}""")]
    public async Task NonsenseIsAsGoodAsARefusal(string answer)
    {
        await using var machine = await PooledMachine.StartAsync((_, _) => answer);

        await Assert.ThrowsAsync<QmpException>(() => BlockStatistics.ReadAsync(machine.Run.Qmp, Patience.Longest));
        await Assert.ThrowsAsync<QmpException>(() => machine.Run.Balloon.ReadAsync(TimeSpan.FromSeconds(20)));
    }
}
