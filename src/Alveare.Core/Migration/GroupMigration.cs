using System.Collections.Immutable;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;

namespace Alveare.Core.Migration;

/// <summary>The machines that move with one because a rule keeps them together: each as a migration of its own, all to one host.</summary>
internal sealed class GroupMigration(MachineGround ground)
{
    /// <summary>Begins to move machines after the one that leads them. When one of them cannot, none does.</summary>
    public async Task<ImmutableArray<TaskRecord>> FollowAsync(
        ImmutableArray<VirtualMachine> followers, VirtualMachine leader, MigrateVm operation, EntityId target, TaskContext context)
    {
        var tasks = ImmutableArray.CreateBuilder<TaskRecord>();
        try
        {
            foreach (var vm in followers)
            {
                context.Cancellation.ThrowIfCancellationRequested();
                var follow = new MigrateVm { Target = vm.Id, Host = target, BandwidthLimit = operation.BandwidthLimit };
                tasks.Add(await ground.Tasks.SubmitAsync(context.Session, follow, $"a rule keeps it together with '{leader.Name}', which moves by {context.Id}"));
            }
        }
        catch
        {
            await EndAsync(tasks.ToImmutable(), isCalledOff: true, context);
            throw;
        }

        return tasks.ToImmutable();
    }

    /// <summary>Waits until all have ended; answers how.</summary>
    public async Task<TaskRecord[]> EndAsync(ImmutableArray<TaskRecord> followers, bool isCalledOff, TaskContext context)
    {
        if (isCalledOff)
        {
            foreach (var task in followers)
                ground.Tasks.TryCancel(task, context);
        }

        return await Task.WhenAll(followers.Select(t => ground.Tasks.WaitWithinAsync(t, context)));
    }

    /// <summary>Waits until all have followed; a fault names those that have not.</summary>
    public async Task RequireAsync(VirtualMachine leader, EntityId target, ImmutableArray<TaskRecord> followers, TaskContext context)
    {
        if (followers.IsEmpty)
            return;
        context.Report(99, $"waiting for {followers.Length} that move with it");
        ImmutableArray<string> behind =
        [
            .. (await EndAsync(followers, isCalledOff: false, context)).Where(t => t.State != TaskState.Succeeded)
                .Select(t => $"'{t.TargetName}' stays: {t.Fault?.Message.TrimEnd('.') ?? "it was cancelled"}"),
        ];
        if (!behind.IsEmpty)
            throw new FaultException(new GroupLeftBehind(leader.Name, ground.NameOf(target), behind));
    }
}
