using System.Buffers.Binary;
using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Machine.Tests.Room;

/// <summary>Questions (ICMP echo) from a namespace to an address, at one pace until disposed.</summary>
/// <remarks>Whether they are answered makes no difference to it, and what is late is made up for: on a busy machine, where each answer takes long, as many are
/// asked, and whoever answers always has something to send.</remarks>
internal sealed class Pings : IDisposable
{
    // Of 1,442 bytes with what is around them: more than any limit in the tests lets through.
    private const int PerSecond = 500;
    private const int Payload = 1400;

    // A queue takes so many at once.
    private const int MostAtOnce = 100;

    // CLONE_NEWNET of the kernel's sched.h.
    private const int NetworkNamespace = 0x4000_0000;

    private readonly CancellationTokenSource end = new();
    private readonly Task asking;

    public Pings(string @namespace, string address)
    {
        var target = new IPEndPoint(IPAddress.Parse(address), 0);
        // A thread of its own, which ends in the namespace that it has gone to.
        asking = Task.Factory.StartNew(() => Ask(@namespace, target, end.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public void Dispose()
    {
        end.Cancel();
        asking.GetAwaiter().GetResult();
        end.Dispose();
    }

    private static void Ask(string @namespace, IPEndPoint target, CancellationToken end)
    {
        using (var there = File.OpenHandle($"/run/netns/{@namespace}"))
        {
            if (EnterNamespace(there, NetworkNamespace) != 0)
                throw new Win32Exception();
        }

        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Icmp) { ReceiveBufferSize = 0 };
        var (question, clock, asked) = (Question(), Stopwatch.StartNew(), 0L);
        while (!end.IsCancellationRequested)
        {
            var due = (long)(clock.Elapsed.TotalSeconds * PerSecond);
            for (asked = Math.Max(asked, due - MostAtOnce); asked < due; asked++)
                socket.SendTo(question, target);
            Thread.Sleep(5);
        }
    }

    private static byte[] Question()
    {
        var question = new byte[8 + Payload];
        question[0] = 8;
        // The sum of all words is that of the first, and this is its complement (RFC 792).
        BinaryPrimitives.WriteUInt16BigEndian(question.AsSpan(2), 0xf7ff);
        return question;
    }

    [DllImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int EnterNamespace(SafeFileHandle @namespace, int type);
}
