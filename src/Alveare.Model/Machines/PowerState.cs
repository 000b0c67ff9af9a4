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

    /// <summary>A set for people, such as <c>on or paused</c>.</summary>
    public static string Words(PowerStates set) => string.Join(
        " or ",
        new[] { PowerStates.Off, PowerStates.On, PowerStates.Paused, PowerStates.Unknown }
            .Where(state => (set & state) != 0)
            .Select(state => state == PowerStates.Unknown ? "in an unknown state" : state.ToString().ToLowerInvariant()));

    public static PowerStates AsSet(this PowerState state) => state switch
    {
        PowerState.Off => PowerStates.Off,
        PowerState.On => PowerStates.On,
        PowerState.Paused => PowerStates.Paused,
        _ => PowerStates.Unknown,
    };
}
