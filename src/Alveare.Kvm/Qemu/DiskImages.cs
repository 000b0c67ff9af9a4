using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Qemu;

/// <summary>Makes, copies and grows disk files with QEMU's own tool.</summary>
/// <remarks>The tool runs as QEMU's unprivileged user: it reads images that somebody else may have made. Formats are always given, never
/// probed: a guest could write the header of another format into its raw disk. Nothing is overwritten, half-made files are removed.</remarks>
/// <param name="datastoreOf">The name of the datastore that a path is in, for people.</param>
public sealed partial class DiskImages(QemuUser user, Func<string, string> datastoreOf)
{
    /// <summary>Creates an empty disk.</summary>
    public async Task CreateAsync(string path, DiskSpec disk, CancellationToken cancellation)
    {
        await using var made = Make(path);
        await RunAsync($"Creating the disk '{path}'", path, ["create", "-q", "-f", NameOf(disk.Format), path, Number(disk.Capacity)], null, cancellation);
        made.Keep();
    }

    /// <summary>Creates a disk that shows the content of another one until it is written to.</summary>
    /// <param name="backing">The other disk, relative to the directory of <paramref name="path"/>, so that it is found on every host.</param>
    public async Task CreateOverlayAsync(string path, Bytes capacity, string backing, DiskFormat backingFormat, CancellationToken cancellation)
    {
        await using var made = Make(path);
        // -u: the backing file is not opened; its size is not taken and its content not looked at.
        string[] arguments = ["create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", NameOf(backingFormat), path, Number(capacity)];
        await RunAsync($"Creating the disk '{path}'", path, arguments, null, cancellation);
        Flush(path);
        made.Keep();
    }

    /// <summary>Copies a disk with everything it stands on into one new file that is on disk when this returns.</summary>
    public async Task CopyAsync(
        string source,
        DiskFormat sourceFormat,
        string path,
        DiskFormat format,
        Action<double>? percent,
        CancellationToken cancellation)
    {
        await using var made = Make(path);
        string[] arguments = ["convert", "-p", "-W", "-f", NameOf(sourceFormat), "-O", NameOf(format), source, path];
        await RunAsync($"Copying the disk '{source}'", path, arguments, percent, cancellation);
        // "convert" leaves the data in the page cache.
        await Task.Run(() => Flush(path), cancellation);
        made.Keep();
    }

    /// <summary>Gives a disk a larger capacity; does nothing when it has it already.</summary>
    public async Task GrowAsync(string path, DiskFormat format, Bytes capacity, CancellationToken cancellation)
    {
        await RunAsync($"Growing the disk '{path}'", path, ["resize", "-q", "-f", NameOf(format), path, Number(capacity)], null, cancellation);
        Flush(path);
    }

    private FileClaim Make(string path)
    {
        try
        {
            File.Open(path, FileMode.CreateNew).Dispose();
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new FaultException(new FileExists(path));
        }
        catch (IOException e)
        {
            throw FaultOf($"Creating the disk '{path}'", path, e.Message);
        }

        var claim = new FileClaim(path);
        user.Own(path);
        return claim;
    }

    private async Task RunAsync(string action, string path, string[] arguments, Action<double>? percent, CancellationToken cancellation)
    {
        using var process = Process.Start(user.Start(["qemu-img", .. arguments]))!;
        try
        {
            var error = process.StandardError.ReadToEndAsync(cancellation);
            await ReadProgressAsync(process.StandardOutput, percent, cancellation);
            await process.WaitForExitAsync(cancellation);
            if (process.ExitCode != 0)
                throw FaultOf(action, path, Prefix().Replace((await error).Trim(), ""));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
                await process.WaitForExitAsync(CancellationToken.None);
            }
        }
    }

    private FaultException FaultOf(string action, string path, string cause) => FullDisk().IsMatch(cause)
        ? new FaultException(new DatastoreFull(datastoreOf(path), $"{char.ToLowerInvariant(action[0])}{action[1..]}"))
        : new FaultException(new HostOperationFailed(action, cause));

    /// <summary>The tool writes "    (12.34/100%)" and a carriage return, again and again.</summary>
    private static async Task ReadProgressAsync(StreamReader output, Action<double>? percent, CancellationToken cancellation)
    {
        var buffer = new char[256];
        var rest = "";
        while (await output.ReadAsync(buffer, cancellation) is var count and > 0)
        {
            var text = rest + new string(buffer, 0, count);
            if (percent is not null && Progress().Matches(text) is { Count: > 0 } found)
                percent(double.Parse(found[^1].Groups[1].Value, CultureInfo.InvariantCulture));
            rest = text[(text.LastIndexOf('\r') + 1)..];
            rest = rest.Length > 64 ? "" : rest;
        }
    }

    private static void Flush(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Flush(flushToDisk: true);
    }

    private static string NameOf(DiskFormat format) => format == DiskFormat.Raw ? "raw" : "qcow2";

    private static string Number(Bytes size) => size.Value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex("""\((\d+\.\d+)/100%\)""")]
    private static partial Regex Progress();

    [GeneratedRegex("No space left on device|Disk quota exceeded")]
    private static partial Regex FullDisk();

    [GeneratedRegex("^qemu-img: ")]
    private static partial Regex Prefix();

    /// <summary>A file that is removed again unless it is kept.</summary>
    private sealed class FileClaim(string path) : IAsyncDisposable
    {
        private bool kept;

        public void Keep() => kept = true;

        public ValueTask DisposeAsync()
        {
            if (!kept && File.Exists(path))
                File.Delete(path);
            return ValueTask.CompletedTask;
        }
    }
}
