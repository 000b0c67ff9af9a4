namespace Alveare.Lab.Programs;

/// <summary>Where this checkout has what it built: programs stand at <c>src/NAME/bin/CONFIGURATION/FRAMEWORK</c>, beside our own; in Release, those that were
/// compiled ahead of time at <c>artifacts/ahead/publish/NAME/release</c>.</summary>
public static class Built
{
    private static readonly DirectoryInfo Own = new(AppContext.BaseDirectory.TrimEnd('/'));

    public static string Checkout { get; } = FindCheckout();

    public static string Program(string assembly, string? file = null)
    {
        var configuration = Own.Parent!.Name;
        var ahead = Path.Combine(Checkout, "artifacts", "ahead", "publish", assembly, "release", file ?? assembly);
        if (configuration == "Release" && File.Exists(ahead))
            return ahead;
        var path = Path.Combine(Checkout, "src", assembly, "bin", configuration, Own.Name, file ?? assembly);
        return File.Exists(path) ? path : throw new LabException($"The program {path} is not built. Run ./alveare build.");
    }

    private static string FindCheckout()
    {
        for (var folder = Own; folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Alveare.slnx")))
                return folder.FullName;
        }

        throw new LabException($"{Own.FullName} is in no checkout of Alveare.");
    }
}
