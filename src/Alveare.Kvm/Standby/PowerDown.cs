using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using Alveare.Kvm.Machines;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Standby;

/// <summary>Powers this machine down when it is told to, by the command that its agent was given; an agent that was given none refuses.</summary>
/// <param name="command">Program and arguments, run as they are, without a shell.</param>
public sealed class PowerDown(HostState state, MachineTable machines, string hostName, ImmutableArray<string> command, TimeProvider time, CancellationToken end)
{
    /// <summary>A host that is still up after so long was kept up by something, and takes machines again.</summary>
    public static readonly TimeSpan GoodFor = TimeSpan.FromMinutes(2);

    /// <summary>A command that takes longer is ended.</summary>
    public static readonly TimeSpan CommandPatience = TimeSpan.FromSeconds(30);

    private readonly Lock sync = new();
    private int arriving;
    private bool isGoingDown;

    /// <summary>Why a host could never be powered down by this command, or null.</summary>
    public static string? ProblemOf(ImmutableArray<string> command) =>
        command.IsEmpty ? "its agent was given no command to power it down by (--power-down-command)" : null;

    /// <summary>A machine is about to run here: until the answer is disposed the host does not power down. Refused while it does.</summary>
    public IDisposable Arrive()
    {
        lock (sync)
        {
            if (isGoingDown)
                throw new FaultException(new InvalidState(hostName, "powering down", "running machines"));
            arriving++;
        }

        return new Arrival(this);
    }

    /// <summary>Lets no machine come any more and runs the command, unless somebody else powers the machine down.</summary>
    public async Task BeginAsync(bool byController)
    {
        if (!byController && ProblemOf(command) is { } problem)
            throw new FaultException(new HostStaysOn(hostName, problem));
        CloseDoor();
        try
        {
            if (!byController)
                await RunAsync();
        }
        catch (Exception e)
        {
            // What was ended half-way may have set in train what goes on without it.
            if (e is FaultException { InnerException: OperationCanceledException })
                _ = GiveUpAsync();
            else
                OpenDoor();
            throw;
        }

        _ = GiveUpAsync();
    }

    private void CloseDoor()
    {
        lock (sync)
        {
            var runs = machines.All.FirstOrDefault(m => m.Run is not null || m.Current.Power != PowerState.Off);
            if (runs is not null || arriving > 0)
                throw new FaultException(new HostStaysOn(hostName, runs is null ? "a machine is on its way to it" : $"virtual machine '{runs.Name}' runs on it"));
            isGoingDown = true;
        }

        state.ChangeFacts(f => f with { IsPoweringDown = true });
    }

    private void OpenDoor()
    {
        lock (sync)
            isGoingDown = false;
        state.ChangeFacts(f => f with { IsPoweringDown = false });
    }

    private async Task GiveUpAsync()
    {
        await Task.Delay(GoodFor, time, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!end.IsCancellationRequested)
            OpenDoor();
    }

    /// <remarks>Not cancellable: once it has begun, the host is on its way down.</remarks>
    private async Task RunAsync()
    {
        var what = $"Powering down host '{hostName}' by '{string.Join(' ', command)}'";
        using var patience = new CancellationTokenSource(CommandPatience, time);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardInput = true })!;
            try
            {
                process.StandardInput.Close();
                var said = await process.StandardError.ReadToEndAsync(patience.Token);
                await process.WaitForExitAsync(patience.Token);
                if (process.ExitCode != 0)
                    throw new FaultException(new HostOperationFailed(what, $"exit code {process.ExitCode}: {said.Trim()}"));
            }
            finally
            {
                // It would power the machine down under those that have come meanwhile.
                if (!process.HasExited)
                {
                    process.Kill(entireProcessTree: true);
                    await process.WaitForExitAsync(CancellationToken.None);
                }
            }
        }
        catch (Win32Exception e)
        {
            throw new FaultException(new HostOperationFailed(what, e.Message), e);
        }
        catch (OperationCanceledException e)
        {
            throw new FaultException(new HostOperationFailed(what, $"it has not ended within {CommandPatience.TotalSeconds:0} s"), e);
        }
    }

    private sealed class Arrival(PowerDown door) : IDisposable
    {
        private bool isOver;

        public void Dispose()
        {
            lock (door.sync)
            {
                if (!isOver)
                    door.arriving--;
                isOver = true;
            }
        }
    }
}
