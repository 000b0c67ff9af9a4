namespace Alveare.Tests.Architecture;

/// <summary>The sources that the tests were built from.</summary>
internal static class Checkout
{
    public static string Root { get; } = FindRoot();

    public static string Source => Path.Combine(Root, "src");

    /// <summary>Names of the projects under src, without their common prefix.</summary>
    public static IEnumerable<string> Projects => Directory.GetDirectories(Source).Select(d => Path.GetFileName(d)["Alveare.".Length..]).Order();

    /// <summary>The C# files of one project.</summary>
    public static IEnumerable<string> FilesOf(string project) => Files(Path.Combine(Source, $"Alveare.{project}"), "*.cs");

    public static IEnumerable<string> Files(string directory, string pattern) =>
        Directory.EnumerateFiles(directory, pattern, SearchOption.AllDirectories)
            .Where(f => !Path.GetRelativePath(Root, f).Split('/').Any(part => part is "bin" or "obj" or ".git"));

    private static string FindRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "Alveare.slnx")))
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("The tests run outside a checkout.");
        return directory;
    }
}
