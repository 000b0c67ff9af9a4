using System.Diagnostics;
using Xunit;

namespace Alveare.Machine.Tests.Guest;

/// <summary>The project's own guest disk, built once for all tests (and not at all when the cache has it).</summary>
internal static class GuestImage
{
    private static readonly Lazy<Task<string>> Built = new(BuildAsync);

    /// <summary>Path of the disk; skips the test where it cannot be built.</summary>
    public static async Task<string> GetAsync()
    {
        try
        {
            return await Built.Value;
        }
        catch (InvalidOperationException e)
        {
            Assert.Skip($"The guest's disk cannot be built here: {e.Message}");
            throw;
        }
    }

    /// <summary>A copy of it in a directory of a test.</summary>
    public static async Task<string> CopyAsync(string directory)
    {
        var copy = Path.Combine(directory, "disk.qcow2");
        File.Copy(await GetAsync(), copy);
        return copy;
    }

    private static async Task<string> BuildAsync()
    {
        var cache = Environment.GetEnvironmentVariable("ALVEARE_GUEST_CACHE") ?? "/var/cache/alveare";
        var build = Path.Combine(Repository(), "guest", "build");
        using var process = Process.Start(new ProcessStartInfo(build, [cache]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var path = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(5));
        return process.ExitCode == 0 ? path.Trim() : throw new InvalidOperationException((await errors).Trim());
    }

    private static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Alveare.slnx")))
            folder = folder.Parent!;
        return folder.FullName;
    }
}
