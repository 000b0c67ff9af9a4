using System.Text.Json;
using System.Threading.Channels;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qmp;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Guest;

/// <summary>Keeps what a running guest says of itself up to date, from the start or adoption of its QEMU to its end.</summary>
/// <remarks>QEMU tells when an agent opens its port: a guest without one costs nothing. An agent that has just come is asked often for
/// a while, because addresses come later than the agent; then at a gentle interval.</remarks>
public sealed class GuestWatch
{
    private static readonly TimeSpan[] FirstIntervals = [.. new[] { 1, 2, 4, 8, 15 }.Select(s => TimeSpan.FromSeconds(s))];
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private readonly Machine machine;
    private readonly MachineRun run;
    private readonly Channel<bool> woken = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile bool isUnsure = true;
    private bool isOpen;
    private volatile int asked;

    private GuestWatch(Machine machine, MachineRun run)
    {
        this.machine = machine;
        this.run = run;
    }

    /// <summary>Watches until the control connection of <paramref name="run"/> ends.</summary>
    public static void Begin(Machine machine, MachineRun run) => _ = new GuestWatch(machine, run).RunAsync();

    /// <summary>Whether an agent inside the guest has opened its port.</summary>
    public static async Task<bool> IsAgentThereAsync(MachineRun run)
    {
        foreach (var device in (await run.Qmp.ExecuteAsync("query-chardev")).EnumerateArray())
        {
            if (device.GetProperty("label").GetString() == "agent")
                return device.GetProperty("frontend-open").GetBoolean();
        }

        return false;
    }

    private async Task RunAsync()
    {
        run.Qmp.EventReceived += OnEvent;
        try
        {
            while (!run.Qmp.Closed.IsCompleted)
            {
                if (isUnsure)
                    await LookForAgentAsync();
                await RefreshAsync();
                await WaitAsync();
            }
        }
        catch (Exception e) when (e is QmpException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            // QEMU speaks otherwise than any known version: then there is nothing to be known of the guest.
        }
        finally
        {
            run.Qmp.EventReceived -= OnEvent;
        }
    }

    private async Task LookForAgentAsync()
    {
        // Before the question: what happens from then on may not be in the answer.
        isUnsure = false;
        try
        {
            isOpen = await IsAgentThereAsync(run);
        }
        catch (QmpClosedException)
        {
            // QEMU is gone, which ends this, or the answer was lost with the connection or came too late: it is asked again.
            isUnsure = true;
            asked++;
        }
    }

    private async Task RefreshAsync()
    {
        if (!isOpen)
        {
            Publish(null);
            return;
        }

        // Not in mid-migration: what the guest answers then could be lost between the two ends.
        if (machine.Current is not { Power: PowerState.On, Migration: null })
            return;
        asked++;
        if (await GuestAgent.ReadFactsAsync(run.Directory.GuestAgent) is { } facts && !isUnsure)
            Publish(facts);
    }

    private void Publish(GuestFacts? facts)
    {
        if (machine.Run == run)
            machine.Change(m => m with { Guest = facts });
    }

    private async Task WaitAsync()
    {
        var time = isOpen || isUnsure ? FirstIntervals.ElementAtOrDefault(asked) is { Ticks: > 0 } soon ? soon : Interval : Timeout.InfiniteTimeSpan;
        using var limit = new CancellationTokenSource(time);
        await Task.WhenAny(woken.Reader.WaitToReadAsync(limit.Token).AsTask(), run.Qmp.Closed);
        await limit.CancelAsync();
        woken.Reader.TryRead(out _);
    }

    private void OnEvent(QmpEvent happened)
    {
        switch (happened.Name)
        {
            case "VSERPORT_CHANGE" when happened.Text("id") == "agent0":
            case QmpConnection.Reconnected:
                isUnsure = true;
                break;
            case "RESUME" or "RESET":
                break;
            default:
                return;
        }

        asked = 0;
        woken.Writer.TryWrite(true);
    }
}
