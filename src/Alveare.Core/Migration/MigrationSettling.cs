using Alveare.Core.Hosts;
using Alveare.Core.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Tasks;

namespace Alveare.Core.Migration;

/// <summary>Finds out where a machine is whose migration did not end with both hosts saying so, and leaves no orphan behind.</summary>
internal sealed class MigrationSettling(MachineGround ground, EntityId machine, MachineMove move)
{
    /// <summary>Why a migration is not cancelled once the guest stands still at the source.</summary>
    public const string Switching = "the machine is being switched to its new host";

    /// <summary>The interval at which hosts are asked again.</summary>
    public static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(500);

    /// <summary>Asks both hosts until it is known where the machine is, or a host has been away for too long.</summary>
    /// <param name="goesOn">Called each time that it still goes on at the source.</param>
    public async Task<Whereabouts> FindAsync(Func<HostMigration, Task> goesOn, CancellationToken cancellation)
    {
        var bothAnswered = ground.Clock.GetTimestamp();
        var isGivenUp = false;
        while (true)
        {
            var source = await SightAsync(move.Source, cancellation);
            var target = await SightAsync(move.Target, cancellation);
            var found = WhereaboutsReading.Read(move.Migration, source, target);
            if (found is Whereabouts.OnTarget or Whereabouts.OnSource or Whereabouts.Off or Whereabouts.Nowhere)
                return found;
            if (source.Answers && target.Answers)
                bothAnswered = ground.Clock.GetTimestamp();
            if (isGivenUp)
                return found;
            if (ground.Clock.GetElapsedTime(bothAnswered) > HostSessions.Patience)
            {
                // What can still be decided without the host that is away is decided now.
                await CancelOnAsync(move.Source);
                await CancelOnAsync(move.Target);
                isGivenUp = true;
                continue;
            }

            if (source.Machine?.Migration is { } seen && seen.Id == move.Migration)
                await goesOn(seen);
            await Task.Delay(AskAgain, ground.Clock, cancellation);
        }
    }

    /// <summary>Tells a host to give the migration up. One that does not answer is told when it comes back; nobody waits for that, because
    /// a process that waits for a guest there ends by itself in time.</summary>
    public async Task CancelOnAsync(EntityId host)
    {
        try
        {
            await ground.Hosts.ExecuteAsync(host, new CancelMigration(move.Migration), null, CancellationToken.None);
        }
        catch (FaultException e) when (e.Fault is HostNotConnected)
        {
            _ = CancelWhenBackAsync(host);
        }
        catch (FaultException)
        {
            // It refuses: then it has switched, and what it says of the machine tells.
        }
    }

    /// <summary>What the end of a migration is called that is not a success.</summary>
    public Fault FaultOf(Whereabouts found, string reason)
    {
        var name = ground.NameOf(machine);
        var (source, target) = (ground.NameOf(move.Source), ground.NameOf(move.Target));
        return found switch
        {
            Whereabouts.OnSource => new MigrationFailed(name, reason, source),
            Whereabouts.Off => new MigrationFailed(name, reason, null),
            Whereabouts.SourceAway => Cut($"it is known to be on '{source}', and whether it runs there cannot be known until that host answers"),
            Whereabouts.TargetAway => Cut($"it left '{source}' for '{target}', and whether it runs there cannot be known until that host answers"),
            Whereabouts.Nowhere => Cut($"neither '{source}' nor '{target}' has it: register its files again"),
            Whereabouts.BothAway => Cut($"where it runs cannot be known until '{source}' or '{target}' answers"),
            _ => Cut($"where it runs cannot be known until '{source}' and '{target}' answer"),
        };

        Interrupted Cut(string outcome) => new($"Migrating '{name}' ({reason})", outcome);
    }

    private async Task<Sighting> SightAsync(EntityId host, CancellationToken cancellation)
    {
        try
        {
            var snapshot = await ground.Hosts.RefreshAsync(host, cancellation);
            return Sighting.Of(snapshot.Machines.FirstOrDefault(m => m.Id == machine));
        }
        catch (FaultException)
        {
            // Away, or answering what cannot be used: either way it cannot be asked now.
            return default;
        }
    }

    private async Task CancelWhenBackAsync(EntityId host)
    {
        try
        {
            await ground.Hosts.ObserveUntilKnownAsync(host, "Giving a migration up", CancellationToken.None);
            await ground.Hosts.ExecuteAsync(host, new CancelMigration(move.Migration), null, CancellationToken.None);
        }
        catch (FaultException)
        {
            // It stays away: its own timeouts do it.
        }
    }
}
