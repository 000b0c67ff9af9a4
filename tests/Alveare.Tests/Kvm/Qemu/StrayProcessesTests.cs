using System.Diagnostics;
using Alveare.Kvm.Qemu;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

public sealed class StrayProcessesTests
{
    [Fact]
    public async Task AProcessIsFoundByItsRunDirectoryAsLongAsItLivesAndAllAreLookedAtOnce()
    {
        RunDirectory[] runs = [NewRun(), NewRun(), NewRun()];
        using var first = Start(runs[0]);
        using var second = Start(runs[1]);
        try
        {
            await UntilItIsNamedAsync(first, runs[0]);
            await UntilItIsNamedAsync(second, runs[1]);
            var strays = new StrayProcesses();
            Assert.Equal((first.Id, null), (strays.Find(runs[0]), strays.Find(runs[2])));

            // Nothing starts a QEMU before an agent has adopted what it finds: who came later was not there to be looked at.
            using var late = Start(runs[2]);
            try
            {
                await UntilItIsNamedAsync(late, runs[2]);
                Assert.Null(strays.Find(runs[2]));
                Assert.Equal(late.Id, new StrayProcesses().Find(runs[2]));
            }
            finally
            {
                await EndAsync(late);
            }

            await EndAsync(second);
            Assert.Null(strays.Find(runs[1]));
        }
        finally
        {
            await EndAsync(first);
            await EndAsync(second);
        }
    }

    private static RunDirectory NewRun() => new("/run/alveare-tests", Guid.NewGuid());

    // Its command line names the directory, as QEMU's does. It ends with its input, should the test be killed.
    private static Process Start(RunDirectory run) => Process.Start(new ProcessStartInfo("sh", ["-c", "read line", run.Path]) { RedirectStandardInput = true })!;

    private static async Task EndAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    private static async Task UntilItIsNamedAsync(Process process, RunDirectory run)
    {
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (!QemuProcess.IsOurs(run, process.Id))
            await Task.Delay(5, limit.Token);
    }
}
