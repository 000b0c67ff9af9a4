using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Tasks;

namespace Alveare.Core.Tasks;

/// <summary>How a task that an earlier run of the engine left turned out, seen afterwards.</summary>
public sealed record LeftoverOutcome(TaskState State, Fault? Fault = null, EntityId? Result = null);
