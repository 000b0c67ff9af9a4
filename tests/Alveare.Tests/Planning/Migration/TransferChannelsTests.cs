using Alveare.Model;
using Alveare.Planning.Migration;
using Xunit;

namespace Alveare.Tests.Planning.Migration;

public sealed class TransferChannelsTests
{
    [Theory]
    [InlineData(1, 64, 64, 0)]
    [InlineData(64, 4, 64, 0)]
    [InlineData(64, 64, 4, 0)]
    [InlineData(4, 8, 64, 2)]
    [InlineData(64, 64, 16, 4)]
    [InlineData(64, 256, 256, 8)]
    public void ABigMachineBetweenBigHostsHasSeveralConnections(long gib, int source, int target, int channels) =>
        Assert.Equal(channels, TransferChannels.Choose(Bytes.FromGib(gib), source, target));
}
