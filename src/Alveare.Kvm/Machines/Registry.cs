using System.Collections.Immutable;
using System.Text.Json;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What this host has been told to offer and to know; survives a reboot.</summary>
public sealed record RegistryContent
{
    public ImmutableArray<MountDatastore> Datastores { get; init; } = [];

    public ImmutableArray<PortGroupSpec> PortGroups { get; init; } = [];

    public ImmutableArray<HostPool> Pools { get; init; } = [];

    public ImmutableArray<RegisteredMachine> Machines { get; init; } = [];
}

/// <summary>A registered <c>.vmx</c>, with the id it had when it was last readable.</summary>
public sealed record RegisteredMachine(EntityId Id, DatastorePath Config);

/// <summary>The durable file behind <see cref="RegistryContent"/>: every change is on disk when the call returns.</summary>
public sealed class Registry(string path)
{
    private readonly Lock sync = new();
    private RegistryContent content = Read(path);

    public RegistryContent Content
    {
        get
        {
            lock (sync)
                return content;
        }
    }

    public void Change(Func<RegistryContent, RegistryContent> change)
    {
        lock (sync)
        {
            var changed = change(content);
            WholeFile.Replace(path, changed, flush: true);
            content = changed;
        }
    }

    private static RegistryContent Read(string path)
    {
        try
        {
            return WholeFile.Read<RegistryContent>(path) ?? new RegistryContent();
        }
        catch (JsonException e)
        {
            throw new FaultException(new FileCorrupt(path, e.Message), e);
        }
    }

    /// <summary>Adds a machine, or replaces where it is.</summary>
    public void Add(EntityId id, DatastorePath config) =>
        Change(c => c with { Machines = [.. c.Machines.Where(m => m.Id != id), new RegisteredMachine(id, config)] });

    public void Remove(EntityId id) => Change(c => c with { Machines = [.. c.Machines.Where(m => m.Id != id)] });
}
