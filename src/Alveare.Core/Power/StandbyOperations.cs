using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Maintenance;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Power;

/// <summary>Hosts going to standby and waking.</summary>
/// <remarks>A host is noted to be in standby before it is told to power down: whatever becomes of the center from then on, that the host falls silent
/// is no failure, and that it answers again (<see cref="Hosts.HostSession"/>) ends its standby, whoever woke it.</remarks>
internal sealed class StandbyOperations(MachineGround ground, HostEvacuation evacuation, HostWaker waker, EventLog events)
{
    /// <summary>How long a host may take to power down.</summary>
    public static readonly TimeSpan DownPatience = TimeSpan.FromMinutes(5);

    /// <summary>How long a host may take to answer after it was woken: servers test their memory first.</summary>
    public static readonly TimeSpan WakePatience = TimeSpan.FromMinutes(5);

    /// <summary>How often a task tries to wake a host.</summary>
    public const int Tries = Host.MostFailedWakes;

    /// <summary>A connection that only broke is there again after less.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<EnterStandby>(EnterAsync);
        tasks.Handle<ExitStandby>(ExitAsync);
    }

    private async Task EnterAsync(EnterStandby operation, TaskContext context)
    {
        var id = operation.Target;
        await ChangeAsync(id, HostStandby.None, Entering);
        context.Undo.Push(() => RevertAsync(id, HostStandby.Entering, HostStandby.None));
        // Before anything moves: for a standby that cannot come nothing does.
        await waker.CheckAsync(ground.Now.Get<Host>(id), context.Cancellation);
        await evacuation.EmptyAsync(id, "goes to standby", context, operation.KeepsPreferences);

        context.PointOfNoReturn = "the host is being powered down";
        await ChangeAsync(id, HostStandby.Entering, Asleep);
        context.Undo.Push(() => RevertAsync(id, HostStandby.In, HostStandby.None));
        context.Report(90, "Powering down");
        var host = ground.Now.Get<Host>(id);
        await waker.PowerDownAsync(host, CancellationToken.None);
        await SilentAsync(host);
        events.Add(EventSeverity.Audit, "host.entered-standby", $"Host '{host.Name}' is in standby, to be woken when it is needed.", id, context.Session.User);
    }

    private async Task ExitAsync(ExitStandby operation, TaskContext context)
    {
        var id = operation.Target;
        await ChangeAsync(id, HostStandby.In, (_, h) => h with { Standby = HostStandby.Exiting });
        context.Undo.Push(() => RevertAsync(id, HostStandby.Exiting, HostStandby.In));
        Fault? why = null;
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            context.Report(100.0 * (attempt - 1) / Tries, string.Create(CultureInfo.InvariantCulture, $"Waking it, try {attempt} of {Tries}"));
            why = await WakeAsync(id, context.Cancellation);
            if (why is null)
                return;
            await CountFailureAsync(id);
        }

        var host = ground.Now.Get<Host>(id);
        if (host.Standby == HostStandby.None)
            return;
        var fault = new HostNotWoken(host.Name, host.FailedWakes, why!.Message.TrimEnd('.'));
        events.Add(EventSeverity.Error, "host.not-woken", $"{fault.Message} It is not counted on until it answers.", id, context.Session.User);
        throw new FaultException(fault);
    }

    // It may have answered at the last moment.
    private Task CountFailureAsync(EntityId id) => ground.Inventory.ApplyAsync(now =>
        now.Get<Host>(id) is { Standby: HostStandby.Exiting } host ? InventoryEdit.Of(host with { FailedWakes = host.FailedWakes + 1 }) : InventoryEdit.Nothing);

    /// <summary>Wakes a host once and waits; answers why it does not answer, or null. What the host itself makes of it is in the inventory then.</summary>
    private async Task<Fault?> WakeAsync(EntityId id, CancellationToken cancellation)
    {
        var host = ground.Now.Get<Host>(id);
        var began = ground.Clock.GetTimestamp();
        Fault? refusal = null;
        try
        {
            await waker.WakeAsync(host, cancellation);
        }
        catch (FaultException e)
        {
            // A controller that is not ready for a moment is asked again after as long.
            refusal = e.Fault;
        }

        while (ground.Clock.GetElapsedTime(began) < WakePatience)
        {
            if (ground.Now.Get<Host>(id).Standby == HostStandby.None)
                return null;
            await Task.Delay(LookAgain, ground.Clock, cancellation);
        }

        return refusal ?? new HostNotConnected(host.Name, string.Create(CultureInfo.InvariantCulture, $"it has not reported within {WakePatience.TotalMinutes:0} minutes"));
    }

    /// <summary>Waits until a host that was told to power down has done so.</summary>
    private async Task SilentAsync(Host host)
    {
        var began = ground.Clock.GetTimestamp();
        for (long? silent = null; silent is null || ground.Clock.GetElapsedTime(silent.Value) < Silence;)
        {
            if (ground.Now.Get<Host>(host.Id).Standby != HostStandby.In)
                throw new FaultException(new HostStaysOn(host.Name, "it was told to, and has come back instead"));
            if (ground.Clock.GetElapsedTime(began) >= DownPatience)
                throw new FaultException(new HostStaysOn(host.Name, string.Create(CultureInfo.InvariantCulture, $"it was told to, and is not known to be off {DownPatience.TotalMinutes:0} minutes later")));
            await Task.Delay(LookAgain, ground.Clock);
            silent = await IsSilentAsync(host) ? silent ?? ground.Clock.GetTimestamp() : null;
        }
    }

    private async Task<bool> IsSilentAsync(Host host)
    {
        try
        {
            return !ground.Hosts.IsConnected(host.Id) && await waker.IsOnAsync(host, CancellationToken.None) != true;
        }
        catch (FaultException e) when (e.Fault is ControllerFailed)
        {
            // A controller that does not answer for a moment is asked again: a host that goes down is not to be taken for one that was lost.
            return false;
        }
    }

    private static Host Entering(InventorySnapshot now, Host host) => host switch
    {
        { CanBeWoken: false } => throw new FaultException(HostWaker.NotSetUp(host)),
        { PowerDownProblem: { } problem } => throw new FaultException(new HostStaysOn(host.Name, problem)),
        { Maintenance: not HostMaintenance.None } => throw new FaultException(new InvalidState(host.Name, host.Maintenance.Words(), HostMaintenance.None.Words())),
        { Connection: not HostConnection.Connected } => throw new FaultException(new HostNotConnected(host.Name, host.Problem?.TrimEnd('.') ?? "it does not answer")),
        _ => host with { Standby = HostStandby.Entering },
    };

    // In one step with the look: what comes afterwards sees that the host takes nothing.
    private static Host Asleep(InventorySnapshot now, Host host)
    {
        var machine = now.MachinesOn(host.Id).FirstOrDefault(v => v.MayRun || v.BusyTask is not null);
        if (machine is not null)
            throw new FaultException(new HostStaysOn(host.Name, machine.BusyTask is { } task ? $"{task} works on its virtual machine '{machine.Name}'" : $"virtual machine '{machine.Name}' runs on it"));
        return host with { Standby = HostStandby.In };
    }

    // However long the store cannot write: nobody else would take it back before the next start of the engine.
    private Task RevertAsync(EntityId id, HostStandby from, HostStandby to) => ground.InsistAsync(
        now => now.Find(id) is Host host && host.Standby == from ? InventoryEdit.Of(host with { Standby = to }) : InventoryEdit.Nothing);

    private Task ChangeAsync(EntityId id, HostStandby from, Func<InventorySnapshot, Host, Host> change) => ground.Inventory.ApplyAsync(now =>
    {
        var host = now.Get<Host>(id);
        return host.Standby == from
            ? InventoryEdit.Of(change(now, host))
            : throw new FaultException(new InvalidState(host.Name, host.Standby.Words(), from.Words()));
    });
}
