using Alveare.Api.Documents;
using Xunit;

namespace Alveare.Tests.Api;

public sealed class OperationsPageTests
{
    private static string Page
    {
        get
        {
            var directory = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(directory, "Alveare.slnx")))
                directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("The tests run outside a checkout.");
            return Path.Combine(directory, "docs", "operations.md");
        }
    }

    [Fact]
    public void ThePageOfOperationsIsUpToDate()
    {
        var text = OperationsPage.Write();
        if (Environment.GetEnvironmentVariable("ALVEARE_WRITE_DOCS") == "1")
            File.WriteAllText(Page, text);
        Assert.Equal(text, File.ReadAllText(Page));
    }
}
