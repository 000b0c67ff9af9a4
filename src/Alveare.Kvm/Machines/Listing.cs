using System.Security.Cryptography;
using System.Text;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Lists machines by their files; those whose files cannot be read are listed too, as invalid with the reason.</summary>
public sealed class Listing(MachineTable machines, Ground ground)
{
    // One at a time: two copies of one machine must not pass each other's check.
    private readonly Lock sync = new();

    /// <summary>Lists a <c>.vmx</c> from now on. Doing it again reads the file again: so a machine whose file was mended becomes valid.</summary>
    public Machine Add(DatastorePath config)
    {
        // Not within the lock: a datastore that hangs keeps no machine of another from being registered.
        var found = Describe(config);
        lock (sync)
            return Add(found, machines.Add);
    }

    /// <summary>Lists a machine that is to come here from another host, which says where its files are.</summary>
    public Machine AddVisiting(HostMachine coming)
    {
        lock (sync)
            return Add(coming, machines.AddVisiting);
    }

    /// <summary>Reads the file of a machine that the registry knows by <paramref name="registered"/>'s id.</summary>
    public HostMachine Describe(RegisteredMachine registered)
    {
        HostMachine found;
        try
        {
            found = Describe(registered.Config);
        }
        catch (FaultException e)
        {
            found = new HostMachine { Id = registered.Id, Config = registered.Config, Power = PowerState.Off, InvalidReason = Reason(e.Fault) };
        }

        return found.Id == registered.Id || found.Spec is null
            ? found with { Id = registered.Id }
            : found with { Id = registered.Id, Spec = null, InvalidReason = Exchanged(found.Spec.Uuid, registered.Id) };
    }

    private Machine Add(HostMachine found, Func<HostMachine, Machine> add)
    {
        if (machines.All.FirstOrDefault(m => m.Current.Config == found.Config) is { } known)
        {
            if (known.Id == found.Id || known.Run is not null)
                return Refresh(known, found);
            machines.Remove(known);
        }

        return add(machines.TryFind(found.Id) is { } other ? Separate(found, other) : found);
    }

    /// <summary>The files at <paramref name="config"/> as a machine that is off; a fault when there is no such file.</summary>
    private HostMachine Describe(DatastorePath config)
    {
        var content = ground.ReadConfig(config) ?? throw new FaultException(new FileNotFoundFault(ground.PathOf(config)));
        try
        {
            var spec = VmxFile.Read(config.FileName, content);
            return new HostMachine { Id = spec.Id, Config = config, Spec = spec, Power = PowerState.Off, LockEpoch = ground.ReadLock(config).Epoch };
        }
        catch (FaultException e)
        {
            var id = VmxFile.Salvage(content) is { } uuid ? EntityId.Vm(uuid) : IdOf(config);
            return new HostMachine { Id = id, Config = config, Power = PowerState.Off, InvalidReason = Reason(e.Fault) };
        }
    }

    private static Machine Refresh(Machine known, HostMachine found)
    {
        known.Change(m => known.Run is null && found.Id == m.Id
            ? m with { Spec = found.Spec, InvalidReason = found.InvalidReason, LockEpoch = found.LockEpoch }
            : m);
        return known;
    }

    /// <summary>The identity is another registered machine's: fine if that one's files were moved here, else one of them is a copy.</summary>
    private HostMachine Separate(HostMachine found, Machine other)
    {
        if (found.Spec is null)
            return found with { Id = IdOf(found.Config) };
        if (other.Run is null && !IsStillThere(other))
        {
            machines.Remove(other);
            return found;
        }

        throw new FaultException(new InvalidMachine(
            found.Spec.Name, $"its uuid.bios is that of '{other.Name}' at '{other.Current.Config.Path}', which is registered here; a copy needs one of its own"));
    }

    private bool IsStillThere(Machine other)
    {
        try
        {
            return ground.ReadConfig(other.Current.Config) is not null;
        }
        catch (FaultException)
        {
            // Its datastore is away: nobody knows.
            return true;
        }
    }

    /// <summary>An identity for a file that does not say one: always the same for the same place.</summary>
    private static EntityId IdOf(DatastorePath config) =>
        EntityId.Vm(new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(config.ToString())).AsSpan(0, 16)));

    /// <summary>Why a file that is a whole configuration is not that of the machine it was registered as.</summary>
    internal static string Exchanged(Guid found, EntityId expected) =>
        $"its uuid.bios is {found:D} now, registered is {expected.Uuid:D}: register it again";

    private static string Reason(Fault fault) => fault is InvalidMachine invalid ? invalid.Reason : fault.Message.TrimEnd('.');
}
