using Alveare.Kvm.Machines;
using Alveare.Kvm.Standby;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Standby;

/// <summary>An agent that powers its machine down: here by commands that only write a file.</summary>
public sealed class PowerDownTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("alveare-power-");
    private readonly HostState _state = BareHost.NewState();
    private readonly MachineTable _machines;
    private readonly HeldTimers _clock = new();

    public PowerDownTests() => _machines = new MachineTable(_state, new Registry(_directory.FullName));

    private string Told => Path.Combine(_directory.FullName, "told to power down");

    [Fact]
    public async Task AnAgentThatWasGivenNoCommandRefusesUnlessAControllerDoesIt()
    {
        var power = New();
        var refused = await RefusedAsync<HostStaysOn>(power.BeginAsync(byController: false));
        Assert.Equal((PowerDown.ProblemOf([]), null), (refused.Reason, PowerDown.ProblemOf(["systemctl", "poweroff"])));
        Assert.False(_state.Current.Facts.IsPoweringDown);
        await power.BeginAsync(byController: true);
        Assert.True(_state.Current.Facts.IsPoweringDown);
    }

    [Fact]
    public async Task TheCommandIsRunAndNoMachineComesUntilNothingHasComeOfItForMinutes()
    {
        var power = New("touch", Told);
        await power.BeginAsync(byController: false);
        Assert.True(File.Exists(Told));
        Assert.True(_state.Current.Facts.IsPoweringDown);
        Assert.IsType<InvalidState>(Assert.Throws<FaultException>(power.Arrive).Fault);
        _clock.Ring(PowerDown.GoodFor);
        await UntilAsync(() => !_state.Current.Facts.IsPoweringDown);
        power.Arrive().Dispose();
    }

    [Fact]
    public async Task AHostWithAMachineOrOneOnItsWayStaysOn()
    {
        var power = New("touch", Told);
        var arrival = power.Arrive();
        await RefusedAsync<HostStaysOn>(power.BeginAsync(byController: false));
        arrival.Dispose();
        arrival.Dispose();
        _machines.AddVisiting(new HostMachine { Id = EntityId.Vm(Guid.NewGuid()), Config = new DatastorePath(EntityId.Datastore(Guid.NewGuid()), "a/a.vmx"), Power = PowerState.On });
        await RefusedAsync<HostStaysOn>(power.BeginAsync(byController: true));
        Assert.Equal((false, false), (File.Exists(Told), _state.Current.Facts.IsPoweringDown));
    }

    [Theory]
    [InlineData("sh", "-c", "echo no way >&2; exit 3", "exit code 3: no way")]
    [InlineData("/does/not/exist", "", "", "No such file")]
    public async Task ACommandThatFailsIsSaidAndTheHostTakesMachinesAgain(string program, string first, string second, string said)
    {
        var power = New(program, first, second);
        var fault = await RefusedAsync<HostOperationFailed>(power.BeginAsync(byController: false));
        Assert.Contains(said, fault.Message);
        power.Arrive().Dispose();
        Assert.False(_state.Current.Facts.IsPoweringDown);
    }

    [Fact]
    public async Task ACommandThatTakesTooLongIsEndedAndNoMachineComesUntilNothingHasComeOfIt()
    {
        var power = New("sh", "-c", "echo $$ >\"$0\"; sleep 300; true", Told);
        var begun = power.BeginAsync(byController: false);
        await UntilAsync(() => File.Exists(Told) && File.ReadAllText(Told).EndsWith('\n'));
        _clock.Ring(PowerDown.CommandPatience);
        await RefusedAsync<HostOperationFailed>(begun);
        Assert.False(Directory.Exists($"/proc/{File.ReadAllText(Told).Trim()}"));
        Assert.IsType<InvalidState>(Assert.Throws<FaultException>(power.Arrive).Fault);
        _clock.Ring(PowerDown.GoodFor);
        await UntilAsync(() => !_state.Current.Facts.IsPoweringDown);
    }

    public void Dispose()
    {
        _machines.Dispose();
        _directory.Delete(recursive: true);
    }

    private static async Task<T> RefusedAsync<T>(Task refused)
        where T : Fault =>
        Assert.IsType<T>((await Assert.ThrowsAsync<FaultException>(() => refused)).Fault);

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (!isSo())
            await Task.Delay(10, limit.Token);
    }

    /// <summary>Timers that ring when the test says so.</summary>
    private sealed class HeldTimers : TimeProvider
    {
        private readonly List<(TimeSpan Due, Action Ring)> _timers = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timers.Add((dueTime, () => callback(state)));
            return System.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public void Ring(TimeSpan due) => Assert.Single(_timers, t => t.Due == due).Ring();
    }

    private PowerDown New(params string[] command) =>
        new(_state, _machines, "h1", [.. command], _clock, TestContext.Current.CancellationToken);
}
