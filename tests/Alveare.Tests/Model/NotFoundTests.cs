using Alveare.Model.Faults;
using Xunit;

namespace Alveare.Tests.Model;

/// <summary>What may have been meant by a name that nothing has.</summary>
public sealed class NotFoundTests
{
    private static readonly string[] Names = ["h1", "h2", "h10", "rack", "shelf", "web01", "web02", "web03", "web04", "database"];

    [Theory]
    [InlineData("h8", "Did you mean 'h1' or 'h2'?")]
    [InlineData("RACK", "Did you mean 'rack'?")]
    [InlineData("sehlf", "Did you mean 'shelf'?")]
    [InlineData("webb1", "Did you mean 'web01'?")]
    [InlineData("web", "Did you mean 'web01', 'web02' or 'web03'?")]
    [InlineData("datbasse", "Did you mean 'database'?")]
    [InlineData("mail", null)]
    [InlineData("", null)]
    public void NearNamesAreOffered(string given, string? expected)
    {
        var fault = NotFound.Among(Names, "host", given);
        Assert.Equal(expected, fault.Instead);
        Assert.Equal($"No host is named '{given}'.{(expected is null ? "" : $" {expected}")}", fault.Message);
    }
}
