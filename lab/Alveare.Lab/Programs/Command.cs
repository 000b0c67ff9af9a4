using System.ComponentModel;
using System.Diagnostics;

namespace Alveare.Lab.Programs;

/// <summary>Runs one of the system's programs to its end.</summary>
public static class Command
{
    /// <summary>What it printed; throws <see cref="LabException"/> with what it said on stderr when it fails.</summary>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string? input = null)
    {
        var (code, output, errors) = await TryAsync(program, arguments, input);
        return code == 0 ? output : throw new LabException($"'{program} {string.Join(' ', arguments)}' failed: {errors.Trim()}");
    }

    public static async Task<(int Code, string Output, string Errors)> TryAsync(string program, IEnumerable<string> arguments, string? input = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            if (input is not null)
                await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var errors = process.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return (process.ExitCode, output, await errors);
        }
        catch (Win32Exception e)
        {
            throw new LabException($"The program '{program}' cannot be run: {e.Message}", e);
        }
    }
}
