using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Planning.Placement;
using Alveare.Planning.Power;

namespace Alveare.Core.Machines;

/// <summary>Keeps room for a machine that is to run; where the hosts that are on have none, a host is woken for it.</summary>
/// <remarks>Only in clusters that save power, in whichever mode: who asks for a machine asks for what it takes. Each host is woken once at most, so
/// this ends.</remarks>
internal sealed class WakingPlacement(MachineGround ground)
{
    /// <summary>Whoever wakes a host gives it up sooner.</summary>
    private static readonly TimeSpan LongestWake = TimeSpan.FromHours(1);

    /// <summary>How long a host that is up may take to offer its datastores again.</summary>
    private static readonly TimeSpan OfferPatience = TimeSpan.FromMinutes(1);

    /// <param name="candidates">The hosts that are allowed.</param>
    /// <param name="isNamed">Somebody named the one that is allowed.</param>
    /// <param name="preferred">See <see cref="Placer.Choose"/>.</param>
    public async Task<PromisedRoom> PromiseAsync(
        RoomShare share, MachineNeeds needs, Func<InventorySnapshot, IReadOnlyList<Host>> candidates, bool isNamed, PreferredHost? preferred, TaskContext context)
    {
        var woken = new HashSet<EntityId>();
        while (true)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            ImmutableArray<HostRoom> looked = [];
            try
            {
                return await ground.Rooms.Promise([share], candidates, rooms => MachinePlacement.Choose(needs, looked = rooms, isNamed, preferred)).SettleAsync();
            }
            catch (FaultException) when (WakeChoice.For(needs, looked.RemoveAll(r => woken.Contains(r.Id) || !MayBeWoken(r.Id))) is { } host)
            {
                woken.Add(host);
                await WakeAsync(host, needs, context);
            }
        }
    }

    private bool MayBeWoken(EntityId id) =>
        ground.Now.Get<Host>(id) is var host && (host.IsReserve || host.Standby == HostStandby.Exiting)
        && ground.Now.ClusterOf(id) is { PowerSaving.Mode: not PowerSavingMode.Off };

    /// <summary>Wakes a host and waits; what became of it is in the inventory then.</summary>
    private async Task WakeAsync(EntityId id, MachineNeeds needs, TaskContext context)
    {
        context.Report(null, $"Waking host '{ground.NameOf(id)}'");
        try
        {
            // Whoever may power the machine on need not be one who may put hosts to standby.
            var session = Session.System with { User = context.Session.User };
            var reason = $"virtual machine '{needs.Name}' finds no room on the hosts that are on";
            await ground.Tasks.WaitWithinAsync(await ground.Tasks.SubmitAsync(session, new ExitStandby { Target = id }, reason), context);
        }
        catch (FaultException)
        {
            // Somebody else is waking it, or has.
        }

        await ground.UntilAsync(now => now.Find(id) is not Host { Standby: HostStandby.Exiting }, LongestWake, context.Cancellation);
        if (ground.Now.Find(id) is Host { Standby: HostStandby.None })
            await ground.UntilAsync(now => now.Find(id) is not Host host || Offers(host, needs), OfferPatience, context.Cancellation);
    }

    private static bool Offers(Host host, MachineNeeds needs) =>
        host.Connection == HostConnection.Connected
        && host.Datastores.Any(d => d.Id == needs.Datastore && d.Problem is null)
        && needs.PortGroups.All(host.PortGroups.Contains);
}
