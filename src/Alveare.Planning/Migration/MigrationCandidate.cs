using Alveare.Model.Machines;
using Alveare.Planning.Placement;

namespace Alveare.Planning.Migration;

/// <summary>A live migration that somebody asks for.</summary>
/// <param name="DatastoreName">Name of the datastore that holds the machine, for the sentences of faults.</param>
/// <param name="Machine">With the CPU that its guest sees now, not the one it would get at its next start.</param>
public sealed record MigrationCandidate(MachineSpec Machine, DatastorePath Config, string DatastoreName, HostRoom Source, HostRoom Target);
