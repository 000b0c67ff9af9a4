namespace Alveare.Bench.Balance;

/// <summary>How the machines of a made cluster begin.</summary>
internal enum Beginning
{
    /// <summary>Anywhere.</summary>
    Random,

    /// <summary>A third of the hosts have none, as after maintenance.</summary>
    Emptied,

    /// <summary>A tenth of the hosts have those that ask for most, up to 130 % of their CPU.</summary>
    Hotspot,
}

/// <summary>The size of a made cluster and how it begins.</summary>
internal sealed record ClusterShape(int Hosts, int Vms, Beginning Beginning)
{
    public string Name => $"{Hosts}x{Vms}-{Beginning.ToString().ToLowerInvariant()}";

    /// <summary>From two shelves to a large cluster, each with every beginning.</summary>
    public static IEnumerable<ClusterShape> All =>
        from size in new[] { (8, 100), (32, 1_000), (64, 8_000), (96, 10_000) }
        from beginning in Enum.GetValues<Beginning>()
        select new ClusterShape(size.Item1, size.Item2, beginning);
}
