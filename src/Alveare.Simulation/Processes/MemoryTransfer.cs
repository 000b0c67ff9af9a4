using Alveare.Model;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Processes;

/// <summary>The memory of one machine on its way from one QEMU to another.</summary>
/// <remarks>Runs in the sender's process, but for the last bytes: those are in the kernel's hands when the sender is done, and arrive
/// though it should end.</remarks>
internal sealed class MemoryTransfer(Plant plant, SimulatedQemu sender, string uri)
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);

    // As long as Linux repeats unacknowledged segments.
    private static readonly TimeSpan TcpTimeout = TimeSpan.FromMinutes(15);

    private readonly World world = plant.World;
    private SimulatedQemu? receiver;
    private bool isOver;

    public async Task RunAsync()
    {
        var began = world.Time.GetTimestamp();
        var total = sender.Spec.Memory;
        sender.Report(new TransferStatus(TransferState.Active, total, Bytes.Zero, null, TimeSpan.Zero));
        if (await ConnectAsync() is { } problem)
        {
            Fail(problem);
            return;
        }

        var rounds = world.Dice.Next(2, 6);
        for (var round = 1; round <= rounds; round++)
        {
            await world.PauseAsync(150);
            if (await LosesReceiverAsync() || isOver)
                return;
            if (round == rounds)
                sender.Stop();
            sender.Report(sender.Transfer with { Transferred = new Bytes(total.Value / rounds * round) });
        }

        await world.PauseAsync(TransferStatus.Pause);
        if (isOver)
            return;
        isOver = true;
        sender.Report(new TransferStatus(TransferState.Completed, total, total, null, world.Time.GetElapsedTime(began)));
        world.Nature.Enter(() => world.Begin("The last of a transfer", ArriveAsync));
    }

    /// <summary>Gives up; the receiver sees its connection end. Nothing happens when everything was sent.</summary>
    public void Cancel()
    {
        if (isOver)
            return;
        Fail("cancelled");
    }

    /// <summary>The sender's process is gone, and with it the connection.</summary>
    public void OnSenderEnded()
    {
        if (isOver)
            return;
        isOver = true;
        BreakOff();
    }

    private async Task<string?> ConnectAsync()
    {
        await world.PauseAsync(5);
        var address = plant.Listening(uri);
        if (address is not null && !await plant.Network.AwaitAsync(sender.Host, address.Host, ConnectTimeout))
            return "connection timed out";
        receiver = plant.Listening(uri);
        if (receiver is null)
            return "connection refused";
        receiver.Report(receiver.Transfer with { State = TransferState.Active, Total = sender.Spec.Memory });
        return isOver ? "cancelled" : null;
    }

    private async Task<bool> LosesReceiverAsync()
    {
        if (!await plant.Network.AwaitAsync(sender.Host, receiver!.Host, TcpTimeout))
            Fail("connection timed out");
        else if (receiver.HasEnded)
            Fail("connection reset by peer");
        return isOver;
    }

    private async Task ArriveAsync()
    {
        await world.PauseAsync(2);
        if (!await plant.Network.AwaitAsync(sender.Host, receiver!.Host, TcpTimeout))
            receiver.Kill("load of migration failed: connection timed out");
        receiver.Report(receiver.Transfer with { State = TransferState.Completed, Transferred = sender.Spec.Memory });
    }

    private void Fail(string error)
    {
        if (isOver)
            return;
        isOver = true;
        sender.Report(sender.Transfer with { State = TransferState.Failed, Error = error });
        BreakOff();
    }

    private void BreakOff()
    {
        if (receiver is { } connected)
            world.Nature.Enter(() => world.Begin("Breaking off a transfer", () => BreakOffAsync(connected)));
    }

    private async Task BreakOffAsync(SimulatedQemu connected)
    {
        if (await plant.Network.AwaitAsync(sender.Host, connected.Host, TcpTimeout))
            connected.Kill("load of migration failed: the connection ended");
    }
}
