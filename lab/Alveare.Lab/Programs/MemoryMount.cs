namespace Alveare.Lab.Programs;

/// <summary>A file system in memory, mounted on a directory.</summary>
internal static class MemoryMount
{
    public static async Task EnsureAsync(string directory)
    {
        Directory.CreateDirectory(directory);
        if (!await IsMountedAsync(directory))
            await Command.RunAsync("mount", ["-t", "tmpfs", "-o", "mode=755", "alveare-lab", directory]);
    }

    /// <summary>Takes it away at once, also from under a process that is about to end.</summary>
    public static async Task RemoveAsync(string directory)
    {
        if (await IsMountedAsync(directory))
            await Command.RunAsync("umount", ["--lazy", directory]);
    }

    private static async Task<bool> IsMountedAsync(string directory) => (await Command.TryAsync("mountpoint", ["-q", directory])).Code == 0;
}
