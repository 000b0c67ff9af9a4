using Alveare.Model.Hosts;
using Alveare.Simulation.Agents;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>A guest that moves stands still no longer than its switch may take, whatever room its datastore has. Watched at the source: an agent there that
/// reaches the datastore can end it alone.</summary>
internal sealed class SwitchWatch(World world, SimulatedSite site)
{
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(2);

    // Beyond the time that the destination is given: between two looks of the watch, and of the agent at a datastore that is back.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    private Dictionary<SimulatedQemu, (Agent Agent, long Since)> still = [];

    public async Task RunAsync()
    {
        while (true)
        {
            await Task.Delay(Glance, world.Time);
            Look();
        }
    }

    private void Look()
    {
        var now = new Dictionary<SimulatedQemu, (Agent Agent, long Since)>();
        foreach (var host in site.Hosts.Where(h => h.Agent is not null))
        {
            foreach (var qemu in host.Disk.Processes.Where(q => StandsStill(q) && !q.Datastore.LostBy.Contains(host.Id)))
            {
                now[qemu] = still.TryGetValue(qemu, out var before) && before.Agent == host.Agent ? before : (host.Agent!, world.Time.GetTimestamp());
                if (world.Time.GetElapsedTime(now[qemu].Since) > qemu.Record.Migration!.Settings.SwitchTimeout + Margin)
                    world.Break($"'{qemu.Name}' has stood still on {host.Name} since its memory was sent, and nobody ends it.");
            }
        }

        still = now;
    }

    private static bool StandsStill(SimulatedQemu qemu) => qemu is { HasEnded: false, Executes: false, Record.Migration.Role: MigrationRole.Source };
}
