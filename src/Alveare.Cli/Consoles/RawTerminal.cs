using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Cli.Consoles;

/// <summary>The terminal of standard input as a line of bytes: no echo, no editing, no signals from keys. Disposing gives it back as it was.</summary>
internal sealed partial class RawTerminal : IDisposable
{
    private const int StandardInput = 0;
    private const int Now = 0;

    // Larger than any C library's struct termios, whose content is nobody's business here.
    private const int SettingsSize = 256;

    private readonly byte[] _before = new byte[SettingsSize];

    private RawTerminal()
    {
    }

    /// <summary>Null when standard input is no terminal.</summary>
    public static RawTerminal? Enter()
    {
        var terminal = new RawTerminal();
        if (TcGetAttr(StandardInput, terminal._before) != 0)
            return null;
        var raw = terminal._before.ToArray();
        CfMakeRaw(raw);
        return TcSetAttr(StandardInput, Now, raw) == 0 ? terminal : null;
    }

    /// <summary>Standard input byte by byte as typed; the runtime's own stream reads lines and keeps settings of its own.</summary>
    public static Stream OpenInput() => new FileStream(new SafeFileHandle(StandardInput, ownsHandle: false), FileAccess.Read, bufferSize: 0);

    public void Dispose() => TcSetAttr(StandardInput, Now, _before);

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int TcGetAttr(int descriptor, [Out] byte[] settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int TcSetAttr(int descriptor, int when, byte[] settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void CfMakeRaw([In, Out] byte[] settings);
}
