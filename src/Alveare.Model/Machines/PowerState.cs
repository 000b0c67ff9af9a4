namespace Alveare.Model.Machines;

/// <summary>Whether a virtual machine executes.</summary>
public enum PowerState
{
    /// <summary>No host has said; operations that need a known state are refused.</summary>
    Unknown,
    Off,
    On,

    /// <summary>In memory but not executing.</summary>
    Paused,
}

/// <summary>A set of power states, for declaring when an operation is legal.</summary>
[Flags]
public enum PowerStates
{
    None = 0,
    Unknown = 1,
    Off = 2,
    On = 4,
    Paused = 8,
    Running = On | Paused,
    Known = Off | On | Paused,
    Any = Unknown | Known,
}

/// <summary>The power-state table: which states a set holds.</summary>
public static class PowerStateTable
{
    public static bool Allows(this PowerStates set, PowerState state) => (set & state.AsSet()) != 0;

    public static PowerStates AsSet(this PowerState state) => state switch
    {
        PowerState.Off => PowerStates.Off,
        PowerState.On => PowerStates.On,
        PowerState.Paused => PowerStates.Paused,
        _ => PowerStates.Unknown,
    };
}
