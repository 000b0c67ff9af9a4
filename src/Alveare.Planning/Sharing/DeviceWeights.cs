using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;

namespace Alveare.Planning.Sharing;

/// <summary>What machines' disks or network cards weigh where something that they share is short, by their own shares and those of their pools.</summary>
/// <remarks>Pools weigh among their siblings as soon as one of them has been given shares; until then each machine weighs its own.</remarks>
public static class DeviceWeights
{
    /// <summary>Whether pools weigh among their siblings where a disk is short.</summary>
    public static bool CountDisks(IEnumerable<HostPool> pools) => pools.Any(p => p.Disk.Shares is not null);

    /// <summary>Whether pools weigh among their siblings where an uplink is short.</summary>
    public static bool CountNics(IEnumerable<HostPool> pools) => pools.Any(p => p.Network.Shares is not null);

    /// <param name="shares">Of all disks of each machine that has some.</param>
    /// <returns>In the same order of size: together they are as many as the shares.</returns>
    public static IReadOnlyDictionary<EntityId, double> OfDisks(IReadOnlyDictionary<EntityId, double> shares, IReadOnlyCollection<HostPool> pools) =>
        CountDisks(pools) ? Weigh(shares, pools, p => p.Disk.Shares ?? ShareScale.NormalPoolDisk) : shares;

    /// <summary>As <see cref="OfDisks"/>, of network cards.</summary>
    public static IReadOnlyDictionary<EntityId, double> OfNics(IReadOnlyDictionary<EntityId, double> shares, IReadOnlyCollection<HostPool> pools) =>
        CountNics(pools) ? Weigh(shares, pools, p => p.Network.Shares ?? ShareScale.NormalPoolNic) : shares;

    private static IReadOnlyDictionary<EntityId, double> Weigh(
        IReadOnlyDictionary<EntityId, double> shares, IReadOnlyCollection<HostPool> pools, Func<HostPool, int> sharesOf) => PoolDivision.Weigh(
        shares.Values.Sum(), PoolTree.Of(shares.ToDictionary(s => s.Key, s => new Claim(0, s.Value)), pools, p => new Claim(0, sharesOf(p))));
}
