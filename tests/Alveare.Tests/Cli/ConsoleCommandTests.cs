using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Alveare.Cli;
using Alveare.Cli.Running;
using Alveare.Tests.Api;
using Xunit;

namespace Alveare.Tests.Cli;

/// <summary>The console commands against the real API, over simulated guests that greet and echo.</summary>
public sealed class ConsoleCommandTests(ConsoleSite consoles) : IClassFixture<ConsoleSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WhatIsTypedGoesToTheGuestAndWhatItSaysIsPrintedUntilTheInputEnds()
    {
        await consoles.RunningAsync("typed");
        var (input, output) = (new Pipe(), new Pipe());
        var run = RunAsync(input, output, "vm", "console", "typed");
        Assert.Equal("typed login: ", await ReadAsync(output, 13));
        await input.Writer.WriteAsync("root\n"u8.ToArray(), Cancellation);
        Assert.Equal("root\n", await ReadAsync(output, 5));
        await input.Writer.CompleteAsync();
        var (code, error) = await run.WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(ExitCode.Done, code);
        Assert.Contains("the machine runs on", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AConsoleFollowsItsMachineToAnotherHostAndEndsWithIt()
    {
        var vm = await consoles.RunningAsync("follow");
        var (input, output) = (new Pipe(), new Pipe());
        var run = RunAsync(input, output, "vm", "console", "follow");
        Assert.Equal("follow login: ", await ReadAsync(output, 14));
        await consoles.DoAsync($"vms/{vm}:migrate");
        Assert.Equal("follow login: ", await ReadAsync(output, 14));
        await consoles.DoAsync($"vms/{vm}:power-off");
        var (code, error) = await run.WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(ExitCode.Fault, code);
        Assert.Contains("Connected again", error, StringComparison.Ordinal);
        Assert.Contains("Virtual machine 'follow' is off.", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineThatIsOffHasNoConsole()
    {
        var vm = await consoles.RunningAsync("dark");
        await consoles.DoAsync($"vms/{vm}:power-off");
        var (code, error) = await RunAsync(new Pipe(), new Pipe(), "vm", "console", "dark").WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(ExitCode.Fault, code);
        Assert.Contains("'dark' is off; this operation needs it to be", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AVncViewerConnectsToAPortOfThisMachineAlone()
    {
        await consoles.RunningAsync("seen");
        using var interrupt = new CancellationTokenSource();
        using var output = new SignallingWriter();
        using var error = new StringWriter();
        var run = CommandLineProgram.RunAsync(["vm", "vnc", "seen"], new CliEnvironment(output, error, Variable), interrupt.Token);
        var said = await output.FirstFlush.WaitAsync(Patience.Longest, Cancellation);
        var end = IPEndPoint.Parse(Regex.Match(said, @"127\.0\.0\.1:\d+").Value);
        for (var n = 0; n < 2; n++)
        {
            using var viewer = new TcpClient();
            await viewer.ConnectAsync(end, Cancellation);
            var greeting = new byte[12];
            await viewer.GetStream().ReadExactlyAsync(greeting, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
            Assert.Equal("RFB 003.008\n", Encoding.ASCII.GetString(greeting));
        }

        await interrupt.CancelAsync();
        Assert.Equal(ExitCode.Interrupted, await run.WaitAsync(Patience.Longest, Cancellation));
    }

    private async Task<(int Code, string Error)> RunAsync(Pipe input, Pipe output, params string[] arguments)
    {
        using var text = new StringWriter();
        using var error = new StringWriter();
        var environment = new CliEnvironment(text, error, Variable)
        {
            OpenInput = () => input.Reader.AsStream(), OpenOutput = () => output.Writer.AsStream(),
        };
        return (await CommandLineProgram.RunAsync(arguments, environment, CancellationToken.None), error.ToString());
    }

    private static async Task<string> ReadAsync(Pipe output, int count)
    {
        var read = await output.Reader.ReadAtLeastAsync(count, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        var text = Encoding.UTF8.GetString(read.Buffer.Slice(0, count));
        output.Reader.AdvanceTo(read.Buffer.GetPosition(count));
        return text;
    }

    private string? Variable(string name) => name switch
    {
        "ALVEARE_URL" => consoles.Site.Url.ToString(),
        "ALVEARE_USER" => "admin",
        "ALVEARE_PASSWORD" => ApiSite.Password,
        _ => null,
    };

    /// <summary>Tells what was written when it is flushed for the first time.</summary>
    private sealed class SignallingWriter : StringWriter
    {
        private readonly TaskCompletionSource<string> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> FirstFlush => _first.Task;

        public override Task FlushAsync(CancellationToken cancellationToken)
        {
            _first.TrySetResult(ToString());
            return Task.CompletedTask;
        }
    }
}
