using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Xunit;

namespace Alveare.Tests.Center;

/// <summary>The program <c>Alveare.Center</c> as a process of its own.</summary>
public sealed partial class CenterProgramTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("alveare-center-");
    private readonly List<Process> _started = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string State => Path.Combine(_directory.FullName, "state");

    [Fact]
    public async Task ANewSiteSaysOnceWhereItsFirstPasswordIs()
    {
        var first = Start();
        var said = await ReadyAsync(first);
        Assert.Equal("admin", said["user"]);
        Assert.NotEmpty((await File.ReadAllTextAsync(said["password-file"], Cancellation)).Trim());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(said["password-file"]));
        await KilledAsync(first);

        Assert.DoesNotContain("user", (await ReadyAsync(Start())).Keys);
    }

    [Fact]
    public async Task AGivenPasswordIsWrittenNowhere()
    {
        var center = Start(password: "correct horse battery");
        await ReadyAsync(center);
        await KilledAsync(center);
        foreach (var file in Directory.GetFiles(State, "*", SearchOption.AllDirectories))
            Assert.DoesNotContain("correct horse", await File.ReadAllTextAsync(file, Cancellation), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(State, "admin-password")));
    }

    [Fact]
    public async Task ClientsThatTrustItsAuthorityReachItByAddressAndName()
    {
        var center = Start();
        var said = await ReadyAsync(center);
        await GreetAsync(said, "127.0.0.1");
        await GreetAsync(said, "localhost");
        await Assert.ThrowsAnyAsync<Exception>(() => GreetAsync(said, "another.example"));
    }

    [Fact]
    public async Task TheAuthorityOutlivesAKill()
    {
        var first = Start();
        var before = await File.ReadAllTextAsync((await ReadyAsync(first))["ca"], Cancellation);
        await KilledAsync(first);
        Assert.Equal(before, await File.ReadAllTextAsync((await ReadyAsync(Start()))["ca"], Cancellation));
    }

    [Fact]
    public async Task ASecondCenterOnTheSameStateIsRefused()
    {
        await ReadyAsync(Start());
        var second = Start();
        Assert.Contains("in use by another copy", await second.StandardError.ReadToEndAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation), StringComparison.Ordinal);
        await second.WaitForExitAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(1, second.ExitCode);
    }

    [Fact]
    public async Task ATerminatedCenterEndsCleanly()
    {
        var center = Start();
        await ReadyAsync(center);
        Assert.Equal(0, SendSignal(center.Id, 15));
        await center.WaitForExitAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(0, center.ExitCode);
    }

    [Theory]
    [InlineData("--listen", "nonsense", "expected an IP address and a port")]
    [InlineData("--colour", "blue", "Unrecognized")]
    public async Task AWrongOptionIsNamed(string option, string value, string expected)
    {
        var center = Start(more: [option, value]);
        var said = await center.StandardError.ReadToEndAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        await center.WaitForExitAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        Assert.Contains(expected, said, StringComparison.Ordinal);
        Assert.EndsWith("See 'Alveare.Center --help'.\n", said, StringComparison.Ordinal);
        Assert.Equal((2, ""), (center.ExitCode, await center.StandardOutput.ReadToEndAsync(Cancellation)));
    }

    [Fact]
    public async Task AnAddressThatIsTakenIsOneLine()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var center = Start(more: ["--listen", taken.LocalEndpoint.ToString()!]);
        var said = await center.StandardError.ReadToEndAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        await center.WaitForExitAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        Assert.Contains($"cannot listen on {taken.LocalEndpoint}", said, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);
        Assert.Equal(1, center.ExitCode);
    }

    public void Dispose()
    {
        foreach (var process in _started)
        {
            if (!process.HasExited)
                process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        _directory.Delete(recursive: true);
    }

    // Beside the tests: tests/X/bin/CONFIGURATION/FRAMEWORK and src/Y/bin/CONFIGURATION/FRAMEWORK.
    private static string Program
    {
        get
        {
            var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
            var root = here.Parent!.Parent!.Parent!.Parent!.Parent!.FullName;
            return Path.Combine(root, "src", "Alveare.Center", "bin", here.Parent.Name, here.Name, "Alveare.Center");
        }
    }

    private Process Start(string? password = null, string[]? more = null)
    {
        var start = new ProcessStartInfo(Program, ["--state", State, .. more ?? ["--listen", "127.0.0.1:0"]])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The runtime's own sockets, which one that is killed leaves, go with the test.
        start.Environment["TMPDIR"] = _directory.FullName;
        start.Environment["ALVEARE_ADMIN_PASSWORD"] = password ?? "";
        var process = Process.Start(start)!;
        _started.Add(process);
        return process;
    }

    private static async Task<Dictionary<string, string>> ReadyAsync(Process center)
    {
        var line = await center.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        if (line is null)
            Assert.Fail($"The center ended without being ready: {await center.StandardError.ReadToEndAsync(Cancellation)}");
        return Said().Matches(line).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
    }

    private static async Task KilledAsync(Process center)
    {
        center.Kill();
        await center.WaitForExitAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
    }

    private static async Task GreetAsync(Dictionary<string, string> said, string name)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", new Uri(said["url"]).Port, Cancellation);
        await using var tls = new SslStream(tcp.GetStream());
        var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(X509Certificate2.CreateFromPem(await File.ReadAllTextAsync(said["ca"], Cancellation)));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = name, CertificateChainPolicy = trust }, Cancellation);
        Assert.True(tls.IsEncrypted);
    }

    [GeneratedRegex(@"([a-z-]+)=(\S+)")]
    private static partial Regex Said();

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int pid, int signal);
}
