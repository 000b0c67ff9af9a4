using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>What administrators do to a site while its machines run: hosts leave and come back, storage comes and goes, things are moved.</summary>
internal sealed class SiteWork(World world, ScenarioSite site)
{
    private int made;

    private Random Dice => world.Dice;

    /// <summary>Something that the dice choose, or nothing.</summary>
    public IEnumerable<Operation> Choose(InventorySnapshot now)
    {
        var host = Pick(site.Site.Hosts);
        Operation? chosen = Dice.Next(8) switch
        {
            0 => new DisconnectHost { Target = host.Id },
            1 => new RemoveHost { Target = host.Id },
            2 or 3 => null,
            4 => new CreateFolder { Target = site.Datacenter, Name = $"folder{++made}" },
            5 => Move(now),
            6 => new CreateDatastore { Target = site.Datacenter, Name = $"extra{++made}", Path = "/extra" },
            _ => Find<Datastore>(now, d => d.Path == "/extra") is { } extra ? new RemoveDatastore { Target = extra.Id } : null,
        };
        return chosen is null ? BringBack(now) : [chosen];
    }

    /// <summary>What is to be asked for so that every host is joined and talked to.</summary>
    public IEnumerable<Operation> BringBack(InventorySnapshot now)
    {
        foreach (var host in site.Site.Hosts)
        {
            if (now.Find(host.Id) is not Host known)
                yield return Joining(host);
            else if (known.Connection == HostConnection.Disconnected)
                yield return new ReconnectHost { Target = host.Id };
        }
    }

    private JoinHost Joining(SimulatedHost host) => new()
    {
        Target = site.Datacenter,
        Address = host.Address,
        Fingerprint = host.Fingerprint,
        User = SimulatedSite.User,
        Password = SimulatedSite.Password,
    };

    private Move? Move(InventorySnapshot now)
    {
        Entity? into = Dice.Next(2) == 0 ? now.Get<Datacenter>(site.Datacenter) : Find<Folder>(now, _ => true);
        return into is not null && Find<VirtualMachine>(now, _ => true) is { } vm ? new Move { Target = EntityId.Root, Object = vm.Id, Into = into.Id } : null;
    }

    private T? Find<T>(InventorySnapshot now, Func<T, bool> isIt)
        where T : Entity
    {
        var found = now.OfType<T>().Where(isIt).OrderBy(e => e.Id).ToList();
        return found.Count == 0 ? null : Pick(found);
    }

    private T Pick<T>(IReadOnlyList<T> from) => from[Dice.Next(from.Count)];
}
