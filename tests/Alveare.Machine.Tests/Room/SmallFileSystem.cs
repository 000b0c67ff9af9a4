using System.Diagnostics;
using System.Globalization;
using Alveare.Model;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>A file system of a given size on a directory, taken away at the end, and gone when nobody has a file of it open any more.</summary>
internal sealed class SmallFileSystem : IAsyncDisposable
{
    private const int MaxFiles = 1000;

    private readonly string path;

    private string Filling => Path.Combine(path, ".filling");

    private SmallFileSystem(string path) => this.path = path;

    public static SmallFileSystem Mount(string path, Bytes size)
    {
        Run("mount", "-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"mode=0755,size={size.Value},nr_inodes={MaxFiles}"), "tmpfs", path);
        return new SmallFileSystem(path);
    }

    /// <summary>Leaves no room for another byte; names can be made.</summary>
    public void FillBytes()
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

    /// <summary>Takes the room of every further file, until <see cref="MakeRoom"/>.</summary>
    public void Fill()
    {
        Directory.CreateDirectory(Filling);
        try
        {
            for (var number = 0; ; number++)
                File.Create(Path.Combine(Filling, number.ToString(CultureInfo.InvariantCulture))).Dispose();
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    public void MakeRoom() => Directory.Delete(Filling, recursive: true);

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
