using Alveare.Planning.Migration;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Migration;

/// <summary>How long a transfer takes.</summary>
public sealed class TransferLoadTests
{
    private static readonly Gen<TransferLoad> Load = Gen.Select(Gen.Double[0.1, 5], Gen.Double[0, 2000], (overhead, dirty) => new TransferLoad(overhead, dirty));

    private static readonly Gen<double> Speed = Gen.Double[1, 10_000];

    [Fact]
    public void WhatIsWrittenMeanwhileTakesItsPartOfTheLink()
    {
        Assert.Equal(10, new TransferLoad(1).Seconds(1000, 100));
        Assert.Equal(50, new TransferLoad(1, 80).Seconds(1000, 100), 0.001);
        Assert.Equal(1000 / 920.0, new TransferLoad(1, 80).Seconds(1000, 1000), 0.001);
    }

    [Fact]
    public void HoweverFastAGuestWritesItsTransferEnds() =>
        Load.Select(Speed).Sample((load, speed) =>
            load.Seconds(1000, speed) is var seconds && seconds > 0 && seconds <= (10 * new TransferLoad(load.Overhead).Seconds(1000, speed)) + 1e-9);

    [Fact]
    public void MoreThatIsWrittenAndASlowerLinkNeverTakeLessTime() =>
        Gen.Select(Load, Speed, Gen.Double[1, 10]).Sample((load, speed, times) =>
        {
            var seconds = load.Seconds(1000, speed) - 1e-9;
            return (load with { DirtyMbPerSecond = load.DirtyMbPerSecond * times }).Seconds(1000, speed) >= seconds && load.Seconds(1000, speed / times) >= seconds;
        });

    [Fact]
    public void WhatWasMeasuredIsExpectedOfTheSameLinkAgain() =>
        Gen.Select(Gen.Double[100, 10_000], Gen.Double[0.5, 5], Gen.Double[1, 600], Gen.Double[0, 2000]).Sample((memory, share, seconds, dirty) =>
        {
            var sent = memory * share;
            var expected = TransferLoad.Measured(memory, sent, seconds, dirty).Seconds(memory, sent / seconds);
            return Math.Abs(expected - seconds) < 1e-6 * seconds;
        });
}
