namespace Alveare.Kvm.Accelerators;

/// <summary>A guest of some 600 bytes that does what every kernel does first, and says so by the status that QEMU exits with.</summary>
/// <remarks>Not in real mode alone: accelerators are known that run a firmware and hang a kernel. Source and how to build it:
/// <c>Accelerators/ProofGuest.s</c>.</remarks>
internal static class ProofGuest
{
    /// <summary>QEMU's exit status when the guest came to its end: isa-debug-exit makes 2n + 1 of what is written to it.</summary>
    public const int ExitStatus = (2 * 0x2a) + 1;

    /// <summary>A multiboot image.</summary>
    public static readonly byte[] Image = Convert.FromBase64String(
        "ArCtGwAAAQD+T1HkAAAQAAAAEABcAhAAAAAAACAAEAD6/LwAACIAuAEAAIAPovfCAAAAIA+EiwAAAL8AACAAMcC5ABgAAPOrxwUAACAAAxAgALgDICAAvwAQ" +
        "IAC5BAAAAIkHBQAQAACDxwji9LiDAAAAvwAgIAC5AAgAAIkHBQAAIACDxwji9LgAACAADyLYDyDgDSAGAAAPIuC5gAAAwA8yDQABAAAPMA8gwIPg+w0CAAGA" +
        "DyLADwEVQAIQAOrKABAACACwAeb09DHAjtiOwI7QvAAAIgC/AwAAAL4AAhAA6OsAAAC/DgAAAL4JAhAA6NwAAAC/QAAAAL4bAhAA6M0AAAAPARwlRgIQAMyD" +
        "PCVQAhAAAQ+FrwAAAEi7AAAAAIAAAABIiwODPCVUAhAAAQ+FlAAAALgGAAAA8g8qwLgHAAAA8g8qyPIPWcHyDy3Ag/gqdXW5AAEAwLgAQCMBMdIPMA8yPQBA" +
        "IwF1Xg8xQYnEsP/mIeahuRsAAAAPMg0ACAAADzC7AADg/seD8AAAAP8BAADHg+ADAAADAAAAx4MgAwAAQAACAMeDgAMAAKCGAQD79IM8JVgCEAAUcvT6DzFB" +
        "OcR0BLAq6wKwAub09Ov9wecEgccAACEAifAl//8AAA0AAAgAiQeB5gAA//+BzgCOAACJdwRIx0cIAAAAAMP/BCVQAhAASM//BCVUAhAASIPECEiDBCQDSM//" +
        "BCVYAhAAx4OwAAAAAAAAAEjPZpAAAAAAAAAAAP//AAAAmq8ADwAwAhAADwQAACEAAAAAAAAAAAAAAAAAAAAAAA==");
}
