using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Simulation.Storage;

/// <summary>A file of a datastore.</summary>
/// <param name="Size">What it takes of the datastore.</param>
public abstract record SimulatedFile(Bytes Size);

/// <summary>A <c>.vmx</c>: its content, or why it cannot be read.</summary>
public sealed record ConfigFile(MachineSpec? Spec, string? InvalidReason = null) : SimulatedFile(new Bytes(4096));

/// <summary>A disk.</summary>
/// <param name="Backing">Path of the file that it is an overlay of, or null.</param>
public sealed record DiskFile(Bytes Capacity, Bytes Allocated, string? Backing = null) : SimulatedFile(Allocated);

/// <summary>Any other file.</summary>
public sealed record PlainFile(Bytes Length) : SimulatedFile(Length);
