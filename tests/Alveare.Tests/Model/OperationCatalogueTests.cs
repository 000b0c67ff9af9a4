using Alveare.Model.Operations;
using Xunit;

namespace Alveare.Tests.Model;

public sealed class OperationCatalogueTests
{
    [Fact]
    public void EveryOperationHasItsOwnName() =>
        Assert.Equal(OperationCatalogue.All.Length, OperationCatalogue.All.Select(d => d.Name).Distinct().Count());
}
