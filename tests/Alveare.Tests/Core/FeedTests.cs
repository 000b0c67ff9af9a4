using Alveare.Core.Changes;
using Alveare.Model;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Core;

/// <summary>The bounded sequence of changes.</summary>
public sealed class FeedTests
{
    [Fact]
    public void AReaderGetsEverythingSinceItsPlaceOrIsToldThatItIsTooOld() =>
        Gen.Select(Gen.Int[1, 9], Gen.Int[0, 40], Gen.Int[-1, 42]).Sample((capacity, published, after) =>
        {
            var feed = new Feed(capacity);
            for (var number = 1; number <= published; number++)
                feed.Publish([new EntityRemoved(EntityId.Root, $"{number}")]);
            var isKnown = after >= 0 && after <= published && published - after <= capacity;
            var expected = isKnown ? Enumerable.Range(after + 1, published - after).Select(n => ((long)n, $"{n}")) : null;
            Assert.Equal(expected, feed.Since(after)?.Select(i => (i.Sequence, ((EntityRemoved)i).Name)));
        });
}
