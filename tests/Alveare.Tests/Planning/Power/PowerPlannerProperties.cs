using System.Collections.Immutable;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Power;
using Alveare.Planning.Snapshots;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Power;

/// <summary>What must hold of every decision about which hosts are on.</summary>
public sealed class PowerPlannerProperties
{
    private static readonly Gen<PowerTerms> Terms = Gen.Select(Gen.Int[1, 3], Gen.Bool, (least, spare) => new PowerTerms(LeastHosts: least, KeepsSpare: spare));

    private static readonly Gen<PowerView> Views =
        from snapshot in ClusterGen.Any
        from scale in Gen.Int[0, 100]
        from fixedHosts in Gen.Int[0, 3]
        from asleep in Gen.Select(Gen.Int[1, 3], Gen.Int[1, 3]).Array[0, 3]
        from expected in Gen.Int[0, 60_000]
        select new PowerView(
            snapshot with { Vms = [.. snapshot.Vms.Select(v => v with { CpuDemandMhz = v.CpuDemandMhz * scale / 100, ConsumedMb = v.ConsumedMb * scale / 100, ActiveMb = v.ActiveMb * scale / 100 })] },
            [.. snapshot.Hosts.Skip(fixedHosts).Select(h => h.Id)],
            [],
            [.. asleep.Select((s, n) => new SnapshotHost($"z{n}", 10_000 * s.Item1, 32_768 * s.Item2))],
            expected < 20_000 ? null : new HourLoad(1, expected, 0),
            expected < 20_000 ? null : new HourLoad(1, expected, 0));

    /// <summary>Hosts that are alike, and machines that are small beside them, so that what fits together fits one by one.</summary>
    private static readonly Gen<PowerView> Likes =
        from hosts in Gen.Int[1, 8]
        from asleep in Gen.Int[0, 4]
        from vms in Gen.Select(Gen.Int[0, 7], Gen.Int[0, 900]).Array[0, 60]
        select new PowerView(
            new ClusterSnapshot
            {
                Hosts = [.. Enumerable.Range(0, hosts).Select(n => new SnapshotHost($"h{n}", 20_000, 65_536))],
                Vms = [.. vms.Select((v, n) => new SnapshotVm { Id = $"vm{n}", Host = $"h{v.Item1 % hosts}", CpuDemandMhz = v.Item2, ConsumedMb = 500, ActiveMb = 200, MemMb = 500 })],
            },
            [.. Enumerable.Range(0, hosts).Select(n => $"h{n}")],
            [],
            [.. Enumerable.Range(0, asleep).Select(n => new SnapshotHost($"z{n}", 20_000, 65_536))]);

    [Fact]
    public void TheOrderInWhichItIsWrittenDownIsIrrelevant() => Gen.Select(Views, Terms, Gen.Int).Sample((view, terms, seed) =>
    {
        var other = view with
        {
            Snapshot = ClusterGen.Shuffled(view.Snapshot, seed),
            MaySleep = [.. view.MaySleep.Reverse()],
            Asleep = [.. view.Asleep.Reverse()],
        };
        Assert.Equal(PowerPlanner.Plan(view, terms), PowerPlanner.Plan(other, terms));
    });

    [Fact]
    public void NoPromiseAndNoRuleIsBrokenByAHostThatSleeps() => Gen.Select(Views, Terms).Sample((view, terms) =>
    {
        foreach (var step in PowerPlanner.Plan(view, terms).Where(s => s.Action == PowerAction.Standby))
        {
            Assert.Contains(step.Host, view.MaySleep);
            var plan = Evacuation.Maintenance(view.Snapshot, step.Host, mayHelp: _ => false);
            var brokenBefore = new ClusterState(new Cluster(view.Snapshot)).Broken;
            view = Applied(view, [step]);
            var after = new ClusterState(new Cluster(view.Snapshot));
            Assert.Empty(plan.Stuck);
            Assert.True(after.Broken <= brokenBefore);
            foreach (var target in plan.Moves.Select(m => after.Cluster.HostNumbers[m.To]))
            {
                Assert.True(after.MemReserved[target] <= after.Cluster.Hosts[target].MemMb);
                Assert.True(after.CpuReserved[target] <= after.Cluster.Hosts[target].CpuMhz);
                Assert.True(Math.Max(after.CpuLoad[target], after.MemLoad[target]) <= terms.Upper + 1e-9);
            }
        }
    });

    [Fact]
    public void NothingGoesBackAndForthAndEnoughStaysOn() => Gen.Select(Views, Terms).Sample((view, terms) =>
    {
        var steps = PowerPlanner.Plan(view, terms);
        var after = Applied(view, steps);
        Assert.All(steps, s => Assert.Equal(steps[0].Action, s.Action));
        if (steps.Any(s => s.Action == PowerAction.Standby))
            Assert.True(after.Snapshot.Hosts.Length >= terms.LeastHosts);
        var again = PowerPlanner.Plan(after, terms);
        Assert.DoesNotContain(again, s => steps.Any(t => t.Host == s.Host));
        // A host that sleeps is never what makes another one be woken.
        Assert.DoesNotContain(again, s => s.Action == PowerAction.Wake && steps.Any(t => t.Action == PowerAction.Standby));
    });

    [Fact]
    public void PlannedAppliedAndPlannedAgainNothingIsLeft() => Gen.Select(Likes, Terms).Sample((view, terms) =>
        Assert.Empty(PowerPlanner.Plan(Applied(view, PowerPlanner.Plan(view, terms)), terms)));

    [Fact]
    public void MoreLoadNeverMeansFewerHostsOn() => Gen.Select(Likes, Terms, Gen.Int[100, 400]).Sample((view, terms, percent) =>
    {
        var more = view with { Snapshot = view.Snapshot with { Vms = [.. view.Snapshot.Vms.Select(v => v with { CpuDemandMhz = v.CpuDemandMhz * percent / 100 })] } };
        Assert.True(OnAfter(view, terms) <= OnAfter(more, terms));
    });

    [Fact]
    public void WhatIsExpectedNeverMeansFewerHostsOn() => Gen.Select(Likes, Terms, Gen.Int[0, 200_000]).Sample((view, terms, mhz) =>
    {
        var expecting = view with { Soon = new HourLoad(1, mhz, 0), Later = new HourLoad(1, mhz, 0) };
        Assert.True(OnAfter(view, terms) <= OnAfter(expecting, terms));
    });

    private static int OnAfter(PowerView view, PowerTerms terms) => Applied(view, PowerPlanner.Plan(view, terms)).Snapshot.Hosts.Length;

    private static PowerView Applied(PowerView view, ImmutableArray<PowerStep> steps)
    {
        foreach (var step in steps)
        {
            if (step.Action == PowerAction.Wake)
            {
                var woken = view.Asleep.Single(h => h.Id == step.Host);
                view = view with { Asleep = view.Asleep.Remove(woken), MaySleep = view.MaySleep.Add(woken.Id), Snapshot = view.Snapshot with { Hosts = view.Snapshot.Hosts.Add(woken) } };
                continue;
            }

            var to = Evacuation.Maintenance(view.Snapshot, step.Host, mayHelp: _ => false).Moves.ToDictionary(m => m.Vm, m => m.To);
            var asleep = view.Snapshot.Hosts.Single(h => h.Id == step.Host);
            view = view with
            {
                Asleep = view.Asleep.Add(asleep),
                MaySleep = view.MaySleep.Remove(asleep.Id),
                Snapshot = view.Snapshot with
                {
                    Hosts = view.Snapshot.Hosts.Remove(asleep),
                    Vms = [.. view.Snapshot.Vms.Select(v => v with { Host = to.GetValueOrDefault(v.Id, v.Host) })],
                },
            };
        }

        return view;
    }
}
