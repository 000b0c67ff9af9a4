using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Tasks;

/// <summary>Which task has which machine: one that changes it alone, or any number that only read it.</summary>
internal sealed class TargetClaims(InventoryWriter inventory, ILogger logger)
{
    private readonly Lock _gate = new();

    // Tasks that only read a machine, by machine.
    private readonly Dictionary<EntityId, HashSet<string>> _readers = [];

    /// <summary>Takes a machine for a task. Faults: it is busy, or in a state that the operation is not allowed in.</summary>
    public Task TakeAsync(Operation operation, OperationDeclaration declaration, string task) => inventory.ApplyAsync(now =>
    {
        var id = operation.Target;
        var vm = now.Get<VirtualMachine>(id);
        if (vm.BusyTask is { } other)
            throw new FaultException(new ObjectInUse(vm.Name, other));
        if (!declaration.Rules.SharesTarget && FindReader(id) is { } reader)
            throw new FaultException(new ObjectInUse(vm.Name, reader));
        if (vm.IsTemplate && !declaration.Rules.OnTemplates)
            throw new FaultException(new InvalidState(vm.Name, "a template", "a virtual machine"));
        OperationRules.CheckPower(operation, declaration, vm);
        if (!declaration.Rules.SharesTarget)
            return InventoryEdit.Observed(vm with { BusyTask = task });
        AddReader(id, task);
        return InventoryEdit.Nothing;
    });

    private string? FindReader(EntityId machine)
    {
        lock (_gate)
            return _readers.TryGetValue(machine, out var readers) ? readers.First() : null;
    }

    /// <summary>Notes that a task reads a machine.</summary>
    public void AddReader(EntityId machine, string task)
    {
        lock (_gate)
        {
            if (!_readers.TryGetValue(machine, out var readers))
                _readers[machine] = readers = [];
            readers.Add(task);
        }
    }

    private void RemoveReader(EntityId machine, string task)
    {
        lock (_gate)
        {
            if (_readers.TryGetValue(machine, out var readers) && readers.Remove(task) && readers.Count == 0)
                _readers.Remove(machine);
        }
    }

    /// <summary>Gives the machine of a task free, if it has one.</summary>
    /// <remarks>That needs no disk, but it queues behind edits that may fail and take it down with them: then it is tried again.</remarks>
    public async Task GiveBackAsync(TaskRecord record)
    {
        RemoveReader(record.Target, record.Id);
        while (inventory.Current.Find(record.Target) is VirtualMachine { BusyTask: { } busy } && busy == record.Id)
        {
            try
            {
                await inventory.ApplyAsync(now => now.Find(record.Target) is VirtualMachine vm && vm.BusyTask == record.Id
                    ? InventoryEdit.Observed(vm with { BusyTask = null })
                    : InventoryEdit.Nothing);
            }
            catch (FaultException e)
            {
                logger.LogWarning(e, "Giving {Target} free after {Task} is tried again.", record.TargetName, record.Id);
            }
        }
    }
}
