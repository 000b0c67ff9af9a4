using Alveare.Core.Store;
using Alveare.Model;

namespace Alveare.Core.Power;

/// <summary>The passwords of baseboard controllers, by host. They are in the store, whose file only the center's user can read, and in nothing that any
/// facade shows.</summary>
internal sealed class ControllerPasswords(IStore store)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, string> _all = [];

    /// <summary>Reads those that are stored. Call once.</summary>
    public void Load()
    {
        foreach (var stored in store.Load(StoreKind.Secret))
            _all[EntityId.Parse(stored.Key)] = ModelJson.Read<string>(stored.Json);
    }

    public string? Find(EntityId host)
    {
        lock (_gate)
            return _all.GetValueOrDefault(host);
    }

    /// <summary>Stores the password of a host's controller; null removes it.</summary>
    public async Task SetAsync(EntityId host, string? password)
    {
        await store.CommitAsync([new StoreWrite(StoreKind.Secret, host.ToString(), password is null ? null : ModelJson.Write(password))]);
        lock (_gate)
        {
            if (password is null)
                _all.Remove(host);
            else
                _all[host] = password;
        }
    }
}
