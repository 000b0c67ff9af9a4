using Alveare.Core.Events;
using Alveare.Core.Hosts;
using Alveare.Model.Operations;

namespace Alveare.Core.Machines;

/// <summary>Tells the task engine who carries out the operations on machines, but for moving them.</summary>
internal static class MachineOperations
{
    public static void HandleAll(MachineGround ground, DestroyedMachines destroyed, EventLog events)
    {
        var making = new MachineMaking(ground);
        var waking = new WakingPlacement(ground);
        var arrival = new ArrivalPlacement(ground, waking);
        var creation = new MachineCreation(ground, making, arrival);
        var registration = new MachineRegistration(ground, arrival, destroyed);
        var changes = new MachineChanges(ground, making);
        var power = new MachinePower(ground, waking, events);
        var tasks = ground.Tasks;
        tasks.Handle<CreateVm>(creation.CreateAsync);
        tasks.Handle<CloneVm>(creation.CloneAsync);
        tasks.FindOut<CreateVm>(making.FindOutAsync);
        tasks.FindOut<CloneVm>(making.FindOutAsync);
        tasks.Handle<RegisterVm>(registration.RegisterAsync);
        tasks.Handle<UnregisterVm>(registration.UnregisterAsync);
        tasks.Handle<UnregisterElsewhere>(registration.UnregisterElsewhereAsync);
        tasks.Handle<DestroyVm>(registration.DestroyAsync);
        tasks.FindOut<DestroyVm>(registration.FinishDestroyingAsync);
        tasks.Handle<ReconfigureVm>(changes.ReconfigureAsync);
        tasks.Handle<RenameVm>(changes.RenameAsync);
        tasks.Handle<SetResources>(changes.SetResourcesAsync);
        tasks.Handle<MarkTemplate>(changes.MarkTemplateAsync);
        tasks.Handle<MarkVm>(changes.MarkVmAsync);
        tasks.Handle<PowerOn>(power.StartAsync);
        tasks.Handle<PowerOnVms>(new OrderedPowerOn(ground).StartAsync);
        tasks.Handle<PowerOff>(power.StopAsync);
        tasks.Handle<ResetVm>(power.ResetAsync);
        tasks.Handle<PauseVm>(power.PauseAsync);
        tasks.Handle<ResumeVm>(power.ResumeAsync);
        tasks.Handle<ShutdownGuest>(power.ShutDownAsync);
    }
}
