using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;

namespace Alveare.Core.Tasks;

/// <summary>Reads an operation's declaration as checks.</summary>
public static class OperationRules
{
    /// <summary>A fault when the machine is in a power state that the operation does not allow.</summary>
    public static void CheckPower(Operation operation, OperationDeclaration declaration, VirtualMachine vm)
    {
        var state = vm.IsStale ? PowerState.Unknown : vm.Power;
        if (operation.LegalIn(declaration.Rules) is var legal && !legal.Allows(state))
            throw new FaultException(new InvalidPowerState(vm.Name, state, legal));
    }
}
