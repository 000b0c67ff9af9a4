using System.Collections.Immutable;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Power;

/// <summary>How much of a cluster is to stay on.</summary>
/// <param name="Target">Share of the hosts that are on which is to be used, such as 0.63.</param>
/// <param name="Band">Hosts are woken when more than target and band is used, and put to standby when less than target without band is.</param>
/// <param name="LeastHosts">So many stay on, 1 or more.</param>
/// <param name="KeepsSpare">What the machines ask for and are promised must fit the hosts that are on without the largest of them.</param>
public sealed record PowerTerms(double Target = 0.63, double Band = 0.18, int LeastHosts = 1, bool KeepsSpare = false)
{
    public double Upper => Target + Band;

    public double Lower => Target - Band;

    /// <summary>The terms by a cluster's settings.</summary>
    /// <param name="whose">Whose settings they are, for the sentence of the fault.</param>
    /// <exception cref="FaultException"><see cref="InvalidArgument"/>: one of them is out of its range.</exception>
    public static PowerTerms Of(PowerSavingSettings settings, string whose)
    {
        Require("the target", settings.TargetPercent, PowerSavingSettings.MinTarget, PowerSavingSettings.MaxTarget);
        Require("the band", settings.BandPercent, PowerSavingSettings.MinBand, PowerSavingSettings.MaxBand);
        Require("the least number of hosts", settings.LeastHosts, 1, PowerSavingSettings.MaxLeastHosts);
        return settings.BandPercent < settings.TargetPercent && settings.TargetPercent + settings.BandPercent <= 100
            ? new(settings.TargetPercent / 100.0, settings.BandPercent / 100.0, settings.LeastHosts, settings.KeepsSpare)
            : throw Wrong("the band", $"{settings.TargetPercent} % plus and minus {settings.BandPercent} %", "one within 0 to 100 %");

        void Require(string what, int given, int least, int most)
        {
            if (given < least || given > most)
                throw Wrong(what, $"{given}", $"{least} to {most}");
        }

        FaultException Wrong(string what, string given, string expected) => new(new InvalidArgument(whose, what, given, expected));
    }
}

/// <summary>A cluster as power saving sees it.</summary>
/// <param name="Snapshot">The hosts that are on, with their machines.</param>
/// <param name="MaySleep">Ids of those that could be put to standby.</param>
/// <param name="Coming">Hosts that are being woken: they are counted on.</param>
/// <param name="Asleep">Hosts in standby that can be woken.</param>
/// <param name="PromisedMhz">CPU that the cluster has promised to its machines and resource pools, also to pools that are empty.</param>
/// <param name="PromisedMb">Memory, likewise.</param>
/// <param name="Soon">What is expected before a host that is woken now would be up; null when nothing is known.</param>
/// <param name="Later">What is expected before a host that goes to sleep now has been worth it.</param>
public sealed record PowerView(
    ClusterSnapshot Snapshot,
    ImmutableArray<string> MaySleep,
    ImmutableArray<SnapshotHost> Coming,
    ImmutableArray<SnapshotHost> Asleep,
    HourLoad? Soon = null,
    HourLoad? Later = null,
    double PromisedMhz = 0,
    double PromisedMb = 0);

/// <summary>What becomes of a host.</summary>
public enum PowerAction
{
    Standby,
    Wake,
}

/// <summary>What would sleep or wake, and how much of the hosts that are on is needed before and after.</summary>
public sealed record PowerPlan(ImmutableArray<PowerStep> Steps, PowerTerms Terms, PowerUse Before, PowerUse After);

/// <summary>How much of the hosts that are on is needed.</summary>
/// <param name="HostsOn">How many are.</param>
/// <param name="Needed">Share of their scarcer resource; infinite when machines need something and no host is on.</param>
public sealed record PowerUse(int HostsOn, double Needed);

/// <summary>One decision.</summary>
/// <param name="Reason">Why, in words and numbers.</param>
public sealed record PowerStep(PowerAction Action, string Host, string Reason);
