using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Customization;

/// <summary>The small FAT disk that carries a <see cref="SeedText"/> to its guest; made with mtools, which need no mount and no root.</summary>
public static class SeedImage
{
    /// <summary>The label by which guests find the disk.</summary>
    public const string Label = "CIDATA";

    /// <summary>The names of images that are being made, of which an agent that is killed leaves one: with what is for its guest alone.</summary>
    public const string Pattern = "seed-*.img";

    // FAT in 2 MiB: room for the longest text, and for the clusters of 512 bytes that FAT12 can count.
    private const string Sectors = "4096";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The image's bytes.</summary>
    /// <param name="directory">Where the image is made and removed again.</param>
    public static async Task<byte[]> MakeAsync(SeedText text, string directory, CancellationToken cancellation)
    {
        var path = Path.Combine(directory, $"seed-{Guid.NewGuid():N}.img");
        try
        {
            await RunAsync("mformat", null, cancellation, "-C", "-i", path, "-v", Label, "-T", Sectors, "-h", "16", "-s", "32", "::");
            await CopyAsync(path, "meta-data", text.MetaData, cancellation);
            await CopyAsync(path, "user-data", text.UserData, cancellation);
            await CopyAsync(path, "network-config", text.NetworkConfig, cancellation);
            return await File.ReadAllBytesAsync(path, cancellation);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static Task CopyAsync(string image, string name, string content, CancellationToken cancellation) =>
        RunAsync("mcopy", content, cancellation, "-i", image, "-", $"::{name}");

    private static async Task RunAsync(string tool, string? input, CancellationToken cancellation, params string[] arguments)
    {
        var start = new ProcessStartInfo(tool, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        // Settings of the machine's administrator for drives of his own are none of the image's.
        start.Environment["MTOOLSRC"] = "/dev/null";
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        using var process = Start(start);
        try
        {
            var said = process.StandardError.ReadToEndAsync(limit.Token);
            await process.StandardInput.BaseStream.WriteAsync(Encoding.UTF8.GetBytes(input ?? ""), limit.Token);
            process.StandardInput.Close();
            await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            if (process.ExitCode != 0)
                throw new FaultException(new HostOperationFailed("Making a customization seed", $"{tool}: {(await said).Trim()}"));
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new FaultException(new HostOperationFailed("Making a customization seed", $"{tool}: {e.Message}"), e);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new FaultException(new HostOperationFailed("Making a customization seed", $"{start.FileName} cannot be started (package mtools): {e.Message}"), e);
        }
    }
}
