using System.Diagnostics;
using System.Globalization;
using Alveare.Model;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>A file system of a given size on a directory, taken away at the end, and gone when nobody has a file of it open any more.</summary>
internal sealed class SmallFileSystem : IAsyncDisposable
{
    private readonly string path;

    private SmallFileSystem(string path) => this.path = path;

    public static SmallFileSystem Mount(string path, Bytes size)
    {
        Run("mount", "-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"mode=0755,size={size.Value}"), "tmpfs", path);
        return new SmallFileSystem(path);
    }

    /// <summary>Leaves no room for another byte.</summary>
    public void Fill()
    {
        using var file = File.Open(Path.Combine(path, "full"), FileMode.Append);
        try
        {
            var page = new byte[4096];
            while (true)
                file.Write(page);
        }
        catch (IOException)
        {
            // Now it is.
        }
    }

    public ValueTask DisposeAsync()
    {
        Run("umount", "--lazy", path);
        return ValueTask.CompletedTask;
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }
}
