using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace Alveare.Kvm.Networks;

/// <summary>A conversation with the kernel's rtnetlink about the devices of this process's network namespace.</summary>
/// <remarks>Calls are answered by the kernel itself within microseconds, so they are synchronous. One user at a time.</remarks>
internal sealed partial class NetlinkSocket : IDisposable
{
    private const int FamilyNetlink = 16;
    private const int TypeRaw = 3;
    private const int CloseOnExec = 0x80000;
    private const int LevelNetlink = 270;
    private const int OptionCapAck = 10;
    private const int OptionExtendedAck = 11;

    private const ushort MessageError = 2;
    private const ushort MessageDone = 3;
    private const ushort FlagInterrupted = 0x10;
    private const ushort FlagAckAttributes = 0x200;
    private const ushort AttributeErrorText = 1;
    private const int HeaderLength = 16;
    private const int Interrupted = 4;

    // The kernel fills at most 32 KiB per message of a dump.
    private readonly byte[] buffer = new byte[64 * 1024];
    private readonly int socket;
    private uint sequence;

    public NetlinkSocket()
    {
        socket = Socket(FamilyNetlink, TypeRaw | CloseOnExec, 0);
        if (socket < 0)
            throw new NetlinkException("opening rtnetlink", Marshal.GetLastPInvokeError(), null);
        // Errors with the kernel's words and without an echo of the request. Kernels before 4.12 do not know it and answer with a number.
        var on = 1;
        _ = SetOption(socket, LevelNetlink, OptionCapAck, in on, sizeof(int));
        _ = SetOption(socket, LevelNetlink, OptionExtendedAck, in on, sizeof(int));
    }

    /// <summary>Takes one message of a dump: its type and what follows its header.</summary>
    public delegate void Receiver(ReadOnlySpan<byte> payload);

    /// <summary>Has a change carried out; <paramref name="action"/> says what, should it fail.</summary>
    public void Execute(NetlinkRequest request, string action)
    {
        Send(request, action);
        Receive(action, null);
    }

    /// <summary>Asks for everything of a kind. False when it changed while the kernel wrote it down, so that something may be missing.</summary>
    public bool Dump(NetlinkRequest request, string action, Receiver receiver)
    {
        Send(request, action);
        return Receive(action, receiver);
    }

    public void Dispose() => _ = Close(socket);

    private void Send(NetlinkRequest request, string action)
    {
        var message = request.Finish(++sequence);
        while (Send(socket, message, message.Length, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() is var error and not Interrupted)
                throw new NetlinkException(action, error, null);
        }
    }

    private bool Receive(string action, Receiver? receiver)
    {
        var isWhole = true;
        while (true)
        {
            var received = Receive(socket, buffer, buffer.Length, 0);
            if (received < 0 && Marshal.GetLastPInvokeError() == Interrupted)
                continue;
            if (received < 0)
                throw new NetlinkException(action, Marshal.GetLastPInvokeError(), null);
            if (!Take(buffer.AsSpan(0, (int)received), action, receiver, ref isWhole))
                return isWhole;
        }
    }

    /// <summary>Goes through one datagram; false when the answer is complete.</summary>
    private static bool Take(ReadOnlySpan<byte> datagram, string action, Receiver? receiver, ref bool isWhole)
    {
        while (datagram.Length >= HeaderLength)
        {
            var length = Math.Min(BitConverter.ToInt32(datagram), datagram.Length);
            var type = BitConverter.ToUInt16(datagram[4..]);
            var flags = BitConverter.ToUInt16(datagram[6..]);
            var payload = datagram[HeaderLength..length];
            datagram = datagram[Math.Min(NetlinkRequest.Align(length), datagram.Length)..];
            isWhole &= (flags & FlagInterrupted) == 0;
            switch (type)
            {
                case MessageDone:
                    return false;
                case MessageError:
                    ThrowIfError(payload, flags, action);
                    return false;
                default:
                    receiver?.Invoke(payload);
                    break;
            }
        }

        return true;
    }

    private static void ThrowIfError(ReadOnlySpan<byte> payload, ushort flags, string action)
    {
        var error = -BitConverter.ToInt32(payload);
        if (error == 0)
            return;
        // The error number and the header of the request come first.
        var text = (flags & FlagAckAttributes) != 0 ? NetlinkAttributes.Find(payload[(4 + HeaderLength)..], AttributeErrorText) : [];
        throw new NetlinkException(action, error, text.IsEmpty ? null : Encoding.UTF8.GetString(text.TrimEnd((byte)0)));
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int socket, int level, int option, in int value, int length);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int socket, ReadOnlySpan<byte> data, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int socket, Span<byte> data, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int file);
}

/// <summary>The kernel refused a change of network devices.</summary>
/// <param name="action">What was tried, as the beginning of a sentence's middle: "making the bridge 'x'".</param>
/// <param name="error">The kernel's error number.</param>
/// <param name="detail">The kernel's own words, or null.</param>
public sealed class NetlinkException(string action, int error, string? detail)
    : Exception($"{action}: {(detail is null ? "" : $"{detail} ")}({new Win32Exception(error).Message})")
{
    public const int NoEntry = 2;
    public const int Exists = 17;
    public const int NoDevice = 19;
    public const int Invalid = 22;

    public int Error { get; } = error;
}
