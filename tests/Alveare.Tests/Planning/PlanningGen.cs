using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;
using CsCheck;

namespace Alveare.Tests.Planning;

/// <summary>Random hosts and needs, small enough that every rule is broken and kept often.</summary>
internal static class PlanningGen
{
    public static readonly EntityId Shared = EntityId.Datastore(new Guid(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1]));
    private static readonly EntityId Other = EntityId.Datastore(new Guid(2, 0, 0, [0, 0, 0, 0, 0, 0, 0, 2]));
    private static readonly ImmutableArray<string> Features = ["avx2", "sse4.2", "aes"];
    private static readonly ImmutableArray<string> Networks = ["blue", "red"];

    public static readonly Gen<MachineNeeds> Needs = Gen.Select(
        Gen.Int[16, 4096],
        Subset(Networks),
        Subset(Features),
        (mib, networks, features) => new MachineNeeds("web01", Bytes.FromMib(mib), Shared, "shared", networks, features));

    public static readonly Gen<ImmutableArray<HostRoom>> Hosts = Host.Array[0, 8].Select(Distinct);

    private static Gen<HostRoom> Host => Gen.Select(
        Gen.Int[0, 30],
        Gen.Select(Gen.Int[0, 8192], Gen.Int[0, 10000], Gen.Int[0, 16], Gen.Int[0, 40000]),
        Gen.Frequency((4, Gen.Const((string?)null)), (1, Gen.Const((string?)"it does not answer"))),
        Gen.Select(Subset(Networks), Subset(Features), Gen.Bool, Gen.Bool),
        (number, size, problem, offers) => new HostRoom
        {
            Id = EntityId.Host(new Guid(number, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])),
            Name = $"h{number}",
            Problem = problem,
            MemoryForGuests = Bytes.FromMib(size.Item1),
            MemoryPromised = Bytes.FromMib(size.Item2),
            CpuCapacity = new Megahertz(size.Item3 * 2000),
            CpuDemand = new Megahertz(size.Item4),
            PortGroups = offers.Item1,
            CpuFeatures = offers.Item2,
            Datastores =
            [
                new HostDatastore { Id = offers.Item3 ? Shared : Other, Name = "d", Path = "/d", Problem = offers.Item4 ? null : "it is gone" },
            ],
        });

    private static Gen<ImmutableArray<string>> Subset(ImmutableArray<string> all) =>
        Gen.Int[0, (1 << all.Length) - 1].Select(bits => all.Where((_, i) => (bits & (1 << i)) != 0).ToImmutableArray());

    private static ImmutableArray<HostRoom> Distinct(HostRoom[] hosts) => [.. hosts.DistinctBy(h => h.Id)];
}
