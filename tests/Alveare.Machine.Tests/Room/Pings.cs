using System.Diagnostics;

namespace Alveare.Machine.Tests.Room;

/// <summary>Programs in a namespace that ask an address as fast as it answers, until disposed.</summary>
internal sealed class Pings : IDisposable
{
    // So many questions of 1,442 bytes are under way at once: less than a queue holds, so that none is lost and all goes at the speed of the slowest.
    private const int Questions = 24;

    private readonly List<Process> all = [];

    public Pings(string @namespace, string address)
    {
        for (var i = 0; i < Questions; i++)
        {
            all.Add(Process.Start(new ProcessStartInfo(
                "ip", ["netns", "exec", @namespace, "busybox", "ping", "-A", "-q", "-s", "1400", address]) { RedirectStandardOutput = true, RedirectStandardError = true })!);
        }
    }

    public void Dispose()
    {
        foreach (var ping in all)
        {
            // Of "ip netns exec" nothing is left but the program itself.
            ping.Kill();
            ping.WaitForExit();
            ping.Dispose();
        }
    }
}
