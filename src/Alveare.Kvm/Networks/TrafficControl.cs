using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Alveare.Kvm.Networks;

/// <summary>The queueing disciplines and filters of network devices, read and changed over rtnetlink.</summary>
/// <remarks>Layout: include/uapi/linux/pkt_sched.h, pkt_cls.h and tc_act/tc_mirred.h.</remarks>
internal sealed class TrafficControl : IDisposable
{
    public const ushort NewQdisc = 36;
    public const ushort NewFilter = 44;

    /// <summary>Create, or change what is there.</summary>
    public const ushort FlagsReplace = 0x500;

    public const uint Root = 0xffff_ffff;

    public const ushort Kind = 1;
    public const ushort Options = 2;

    public const ushort U32Selector = 5;

    private const ushort DeleteQdisc = 37;
    private const ushort GetQdisc = 38;
    private const uint Ingress = 0xffff_fff1;
    private const uint IngressHandle = 0xffff_0000;
    private const uint FirstHandle = 0x0001_0000;

    private const ushort TbfParameters = 1;
    private const ushort TbfRate64 = 4;
    private const ushort TbfPeak64 = 5;
    private const ushort TbfBurst = 6;
    private const ushort TbfPeakBurst = 7;

    // TC_LINKLAYER_ETHERNET: the kernel computes times itself and wants no table of them.
    private const byte Ethernet = 1;

    private const byte U32Terminal = 1;
    private const ushort U32Actions = 7;
    private const ushort MirredParameters = 2;
    private const uint ActionStolen = 4;
    private const uint EgressRedirect = 1;

    // The priority in the upper half, ETH_P_ALL in network byte order in the lower.
    private static readonly uint FirstOfAllProtocols = (1u << 16) | (BitConverter.IsLittleEndian ? 0x0300u : 0x0003u);

    // What a guest's TCP sends at once must find room, or it never reaches a low rate.
    private const long LeastQueue = 128 * 1024;

    private readonly NetlinkSocket netlink = new();

    /// <summary>Bytes that may wait for a device of so many bytes a second: a tenth of a second. More would be delay, less would not fill the rate.</summary>
    public static long QueueFor(long rate) => Math.Max(rate / 10, LeastQueue);

    /// <summary>What a filter compares of a frame (struct tc_u32_sel, and a struct tc_u32_key for each word); what matches is decided.</summary>
    public static byte[] Selector(params (int Offset, uint Mask, uint Value)[] words)
    {
        var selector = new byte[16 + (16 * words.Length)];
        (selector[0], selector[2]) = (U32Terminal, (byte)words.Length);
        for (var i = 0; i < words.Length; i++)
        {
            var key = selector.AsSpan(16 + (16 * i));
            BinaryPrimitives.WriteUInt32BigEndian(key, words[i].Mask);
            BinaryPrimitives.WriteUInt32BigEndian(key[4..], words[i].Value);
            BitConverter.TryWriteBytes(key[8..], words[i].Offset);
        }

        return selector;
    }

    /// <summary>Lets a device send by a token bucket, or by another one than before; what waits in it stays.</summary>
    public void SetTokenBucket(int device, TokenBucket bucket, string action)
    {
        var options = new byte[36];
        WriteRate(options, bucket.Rate);
        WriteRate(options.AsSpan(12), bucket.Peak);
        BitConverter.TryWriteBytes(options.AsSpan(24), bucket.Limit);
        netlink.Execute(
            Message(NewQdisc, FlagsReplace, device, FirstHandle, Root)
                .Add(Kind, "tbf")
                .AddNested(Options, tbf =>
                {
                    tbf.Add(TbfParameters, options).Add(TbfRate64, MemoryMarshal.AsBytes([bucket.Rate])).Add(TbfBurst, (int)bucket.Burst);
                    if (bucket.Peak > 0)
                        tbf.Add(TbfPeak64, MemoryMarshal.AsBytes([bucket.Peak])).Add(TbfPeakBurst, (int)bucket.PeakBurst);
                }),
            action);
    }

    /// <summary>Lets a device send as it did before; false when it does.</summary>
    public bool RemoveTokenBucket(int device, string action) => Remove(device, FirstHandle, Root, action);

    /// <summary>Sends everything that comes in by a device through another one, which gives it back when it has sent it.</summary>
    public void RedirectIngress(int device, int through, string action)
    {
        // Made anew: an agent may have ended between the two.
        RemoveIngress(device, action);
        netlink.Execute(Message(NewQdisc, NetlinkRequest.FlagsCreate, device, IngressHandle, Ingress).Add(Kind, "ingress"), action);
        // The mask is empty: everything matches.
        var selector = Selector((0, 0, 0));
        netlink.Execute(
            Message(NewFilter, NetlinkRequest.FlagsCreate, device, 0, IngressHandle, FirstOfAllProtocols)
                .Add(Kind, "u32")
                .AddNested(Options, u32 => u32
                    .Add(U32Selector, selector)
                    .AddNested(U32Actions, actions => actions.AddNested(1, first => first
                        .Add(Kind, "mirred")
                        .AddNested(Options, mirred => mirred.Add(
                            MirredParameters, MemoryMarshal.AsBytes<uint>([0, 0, ActionStolen, 0, 0, EgressRedirect, (uint)through])))))),
            action);
    }

    public bool RemoveIngress(int device, string action) => Remove(device, IngressHandle, Ingress, action);

    public void Dispose() => netlink.Dispose();

    /// <summary>The devices that have a queue of this handle.</summary>
    public IReadOnlyCollection<int> DevicesWith(uint handle, string action)
    {
        while (true)
        {
            var devices = new HashSet<int>();
            var request = new NetlinkRequest(GetQdisc, NetlinkRequest.FlagDump);
            request.Append(0u);
            request.Append(0u);
            request.Append(0u);
            request.Append(0u);
            request.Append(0u);
            var isWhole = netlink.Dump(request, action, payload =>
            {
                if (BitConverter.ToUInt32(payload[8..]) == handle)
                    devices.Add(BitConverter.ToInt32(payload[4..]));
            });
            if (isWhole)
                return devices;
        }
    }

    /// <summary>Takes a queue away; false when there is no such one.</summary>
    public bool Remove(int device, uint handle, uint parent, string action)
    {
        try
        {
            netlink.Execute(Message(DeleteQdisc, 0, device, handle, parent), action);
            return true;
        }
        // No such one: the kernel answers by version and kind that there is none, or that it is another one; or the device is gone with it.
        catch (NetlinkException e) when (e.Error is NetlinkException.NoEntry or NetlinkException.Invalid or NetlinkException.NoDevice)
        {
            return false;
        }
    }

    /// <summary>A message about one device; its fixed part is <c>struct tcmsg</c>.</summary>
    public static NetlinkRequest Message(ushort type, ushort flags, int device, uint handle, uint parent, uint information = 0)
    {
        var request = new NetlinkRequest(type, (ushort)(flags | NetlinkRequest.FlagAck));
        request.Append(0u);
        request.Append((uint)device);
        request.Append(handle);
        request.Append(parent);
        request.Append(information);
        return request;
    }

    /// <summary>Writes a <c>struct tc_ratespec</c>; the whole rate is in an attribute of 64 bits.</summary>
    public static void WriteRate(Span<byte> specification, long rate)
    {
        specification[1] = Ethernet;
        BitConverter.TryWriteBytes(specification[8..], (uint)Math.Min(rate, uint.MaxValue));
    }
}

/// <summary>How a queue lets frames go: at a rate, and after a rest so many bytes at once.</summary>
/// <param name="Rate">Bytes a second.</param>
/// <param name="Burst">Bytes; a larger frame of the guest's segmentation is cut by the kernel.</param>
/// <param name="Peak">Bytes a second while a burst lasts, 0 for as fast as it goes.</param>
/// <param name="PeakBurst">Bytes that go at once even so.</param>
/// <param name="Limit">Bytes that wait; what comes then is dropped.</param>
internal readonly record struct TokenBucket(long Rate, uint Burst, long Peak, uint PeakBurst, uint Limit);
