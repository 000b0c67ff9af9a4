using System.Buffers.Binary;
using System.Net.NetworkInformation;
using System.Runtime.InteropServices;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Networks;

/// <summary>The queue before an uplink that lets classes of frames go by shares (HTB): a class for each network card, by the sender's address inside of
/// VXLAN, one for senders that are not known, and one for what the host itself sends.</summary>
/// <remarks>Layout: include/uapi/linux/pkt_sched.h and pkt_cls.h. A class has its rate whatever others do, and takes turns with others at what is left
/// (net/sched/sch_htb.c). Frames are sorted by a table of 256 lists over the last byte of the address, so that many cards cost a frame no more
/// than few.</remarks>
/// <param name="capacity">Of the uplink, in bytes a second.</param>
internal sealed class SharedQueue(int device, string name, long capacity) : IDisposable
{
    /// <summary>The numbers of cards; filters take the same, which have twelve bits.</summary>
    public const ushort FirstCard = 16;
    public const ushort LastCard = 4095;

    /// <summary>All cards together.</summary>
    public const ushort Machines = 2;

    /// <summary>What the host itself sends.</summary>
    public const ushort Host = 3;

    /// <summary>Cards that are not known, all together.</summary>
    public const ushort Unknown = 4;

    // Ours alone: what an administrator has put there is never taken for it.
    private const uint Handle = 0xa1fe_0000;
    private const ushort Whole = 1;

    private const ushort NewClass = 40;
    private const ushort DeleteClass = 41;
    private const ushort DeleteFilter = 45;

    private const ushort HtbClass = 1;
    private const ushort HtbQueue = 2;
    private const ushort HtbRate64 = 6;
    private const ushort HtbCeil64 = 7;
    private const uint HtbVersion = 3;

    // The kernel's default; turns do not follow from it, because each class says its own.
    private const uint RateToTurn = 10;

    // The kernel counts time in units of 64 ns (PSCHED_SHIFT).
    private const double TicksPerSecond = 1e9 / 64;

    // A class makes up for so much of a late timer, and sends a frame at least.
    private const double Late = 0.002;
    private const double LeastBurst = 2048;

    private const ushort U32Class = 1;
    private const ushort U32Table = 2;
    private const ushort U32Link = 3;
    private const ushort U32Divisor = 4;
    private const uint Table = 0x0010_0000;
    private const uint Lists = 256;

    // From the beginning of the outer IPv4 header (VXLAN's has no options: 20 bytes), over UDP and VXLAN (8 each) and the receiver's address (6).
    private const int Sender = 42;

    // The priority in the upper half, ETH_P_IP in network byte order in the lower.
    private static readonly uint FirstOfIPv4 = (1u << 16) | (BitConverter.IsLittleEndian ? 0x0008u : 0x0800u);

    private readonly NetlinkSocket netlink = new();
    private readonly string action = $"sharing the uplink '{name}'";

    /// <summary>Puts the queue before the uplink, without cards. The error is <see cref="NetlinkException.Exists"/> where somebody else has put one there.</summary>
    public void Add(UplinkPart host, UplinkPart machines, UplinkPart unknown)
    {
        netlink.Execute(
            TrafficControl.Message(TrafficControl.NewQdisc, NetlinkRequest.FlagsCreate, device, Handle, TrafficControl.Root)
                .Add(TrafficControl.Kind, "htb")
                // struct tc_htb_glob; the third is the class of what no filter knows.
                .AddNested(TrafficControl.Options, htb => htb.Add(HtbQueue, MemoryMarshal.AsBytes<uint>([HtbVersion, RateToTurn, Host, 0, 0]))),
            action);
        Set(Whole, new UplinkPart(capacity, 0));
        Set(Machines, machines);
        Set(Host, host);
        Set(Unknown, unknown);
        AddLeaf(Host);
        AddLeaf(Unknown);
        AddTable();
    }

    public void AddCard(ushort number, PhysicalAddress sender, UplinkPart part)
    {
        Set(number, part);
        AddLeaf(number);
        var address = sender.GetAddressBytes();
        var selector = TrafficControl.Selector(
            (Sender - 2, 0xffff, BinaryPrimitives.ReadUInt16BigEndian(address)),
            (Sender + 2, 0xffff_ffff, BinaryPrimitives.ReadUInt32BigEndian(address.AsSpan(2))));
        netlink.Execute(
            Filter(TrafficControl.NewFilter, NetlinkRequest.FlagsCreate, FilterOf(number, sender))
                .AddNested(TrafficControl.Options, u32 => u32
                    .Add(U32Table, MemoryMarshal.AsBytes<uint>([ListOf(sender)]))
                    .Add(U32Class, MemoryMarshal.AsBytes<uint>([Handle | number]))
                    .Add(TrafficControl.U32Selector, selector)),
            action);
    }

    public void RemoveCard(ushort number, PhysicalAddress sender)
    {
        netlink.Execute(Filter(DeleteFilter, 0, FilterOf(number, sender)), action);
        netlink.Execute(TrafficControl.Message(DeleteClass, 0, device, Handle | number, 0), action);
    }

    /// <summary>Takes every queue of ours away, also from what was the uplink of an earlier agent; the kernel puts its own back.</summary>
    public static void RemoveAll()
    {
        const string action = "sharing an uplink no more";
        using var control = new TrafficControl();
        foreach (var device in control.DevicesWith(Handle, action))
            control.Remove(device, Handle, TrafficControl.Root, action);
    }

    public void Dispose() => netlink.Dispose();

    /// <summary>Makes a class or changes what it is given.</summary>
    public void Set(ushort number, UplinkPart part)
    {
        var parent = number switch { Whole => (ushort)0, Machines or Host => Whole, _ => Machines };
        // struct tc_htb_opt: two rates of 12 bytes, their bursts in units of time, and the turn.
        var options = new byte[44];
        TrafficControl.WriteRate(options, part.Rate);
        TrafficControl.WriteRate(options.AsSpan(12), capacity);
        BitConverter.TryWriteBytes(options.AsSpan(24), Burst(part.Rate));
        BitConverter.TryWriteBytes(options.AsSpan(28), Burst(capacity));
        BitConverter.TryWriteBytes(options.AsSpan(32), (uint)Math.Clamp(part.Turn, 1, int.MaxValue));
        netlink.Execute(
            TrafficControl.Message(NewClass, TrafficControl.FlagsReplace, device, Handle | number, Handle | parent)
                .Add(TrafficControl.Kind, "htb")
                .AddNested(TrafficControl.Options, htb => htb
                    .Add(HtbClass, options)
                    .Add(HtbRate64, MemoryMarshal.AsBytes([part.Rate]))
                    .Add(HtbCeil64, MemoryMarshal.AsBytes([capacity]))),
            action);
    }

    private static uint Burst(long rate) => (uint)Math.Min(Math.Max(Late, LeastBurst / rate) * TicksPerSecond, uint.MaxValue);

    private void AddLeaf(ushort number) => netlink.Execute(
        TrafficControl.Message(TrafficControl.NewQdisc, NetlinkRequest.FlagsCreate, device, 0, Handle | number)
            .Add(TrafficControl.Kind, "bfifo")
            .Add(TrafficControl.Options, (int)Math.Min(TrafficControl.QueueFor(capacity), int.MaxValue)),
        action);

    /// <summary>The table, and the filter that has VXLAN looked up there; what is not found is of an unknown card.</summary>
    private void AddTable()
    {
        netlink.Execute(
            Filter(TrafficControl.NewFilter, NetlinkRequest.FlagsCreate, Table)
                .AddNested(TrafficControl.Options, u32 => u32.Add(U32Divisor, MemoryMarshal.AsBytes<uint>([Lists]))),
            action);
        // IPv4 without options, UDP, the port.
        var selector = TrafficControl.Selector((0, 0xff00_0000, 0x4500_0000), (8, 0x00ff_0000, 0x0011_0000), (20, 0xffff, Links.VxlanPort));
        BitConverter.TryWriteBytes(selector.AsSpan(10), (short)(Sender + 2));
        BinaryPrimitives.WriteUInt32BigEndian(selector.AsSpan(12), Lists - 1);
        netlink.Execute(
            Filter(TrafficControl.NewFilter, NetlinkRequest.FlagsCreate, 0)
                .AddNested(TrafficControl.Options, u32 => u32
                    .Add(U32Class, MemoryMarshal.AsBytes<uint>([Handle | Unknown]))
                    .Add(U32Link, MemoryMarshal.AsBytes<uint>([Table]))
                    .Add(TrafficControl.U32Selector, selector)),
            action);
    }

    private NetlinkRequest Filter(ushort type, ushort flags, uint handle) =>
        TrafficControl.Message(type, flags, device, handle, Handle, FirstOfIPv4).Add(TrafficControl.Kind, "u32");

    private static uint ListOf(PhysicalAddress sender) => Table | ((uint)sender.GetAddressBytes()[^1] << 12);

    private static uint FilterOf(ushort number, PhysicalAddress sender) => ListOf(sender) | number;
}
