using Xunit;

namespace Alveare.Cluster.Tests.Cluster;

/// <summary>All tests share one cluster, one after the other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ClusterCollection : ICollectionFixture<TestCluster>
{
    public const string Name = "cluster";
}
