using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Alveare.Planning.Snapshots;

/// <summary>Writes a snapshot file that <see cref="SnapshotReader"/> reads again; one line per host, machine and rule, so that people can compare two.</summary>
public static class SnapshotWriter
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <returns>JSON in UTF-8.</returns>
    public static byte[] Write(ClusterSnapshot snapshot)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write("{\n\"name\": "u8);
        Put(buffer, w => w.WriteStringValue(snapshot.Name));
        if (snapshot.IsMemoryPromised)
            buffer.Write(",\n\"memoryPromised\": true"u8);
        List(buffer, "hosts", snapshot.Hosts, Host);
        if (!snapshot.Asleep.IsEmpty)
            List(buffer, "asleep", snapshot.Asleep, Host);
        List(buffer, "vms", snapshot.Vms, Vm);
        List(buffer, "rules", snapshot.Rules, Rule);
        buffer.Write("\n}\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void List<T>(ArrayBufferWriter<byte> buffer, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        buffer.Write(System.Text.Encoding.UTF8.GetBytes($",\n\"{name}\": ["));
        for (var n = 0; n < items.Count; n++)
        {
            buffer.Write(n == 0 ? "\n"u8 : ",\n"u8);
            Put(buffer, w =>
            {
                w.WriteStartObject();
                write(w, items[n]);
                w.WriteEndObject();
            });
        }

        buffer.Write("]"u8);
    }

    private static void Put(ArrayBufferWriter<byte> buffer, Action<Utf8JsonWriter> write)
    {
        using var writer = new Utf8JsonWriter(buffer, Options);
        write(writer);
    }

    private static void Host(Utf8JsonWriter w, SnapshotHost host)
    {
        w.WriteString("id", host.Id);
        w.WriteNumber("cpuMhz", host.CpuMhz);
        w.WriteNumber("memMb", host.MemMb);
    }

    private static void Vm(Utf8JsonWriter w, SnapshotVm vm)
    {
        w.WriteString("id", vm.Id);
        w.WriteString("host", vm.Host);
        w.WriteNumber("vcpus", vm.Vcpus);
        w.WriteNumber("cpuDemandMhz", vm.CpuDemandMhz);
        w.WriteNumber("memMb", vm.MemMb);
        w.WriteNumber("consumedMb", vm.ConsumedMb);
        w.WriteNumber("activeMb", vm.ActiveMb);
        w.WriteNumber("cpuReservationMhz", vm.CpuReservationMhz);
        w.WriteNumber("cpuLimitMhz", vm.CpuLimitMhz);
        w.WriteNumber("cpuShares", vm.CpuShares);
        w.WriteNumber("memReservationMb", vm.MemReservationMb);
        w.WriteNumber("memLimitMb", vm.MemLimitMb);
        w.WriteNumber("memShares", vm.MemShares);
        if (!vm.OnlyOn.IsEmpty)
            w.WriteTexts("onlyOn", vm.OnlyOn);
        if (vm.StartsOn is { } startsOn)
            w.WriteTexts("startsOn", startsOn);
        if (vm.IsPaused)
            w.WriteBoolean("paused", true);
        if (vm.OwnMode is { } mode)
        {
            w.WriteString("ownMode", mode switch
            {
                OwnMode.Off => "off",
                OwnMode.Manual => "manual",
                OwnMode.Partial => "partial",
                OwnMode.Full => "full",
                _ => throw new ArgumentOutOfRangeException(nameof(vm)),
            });
        }
    }

    private static void Rule(Utf8JsonWriter w, SnapshotRule rule)
    {
        w.WriteString("id", rule.Id);
        w.WriteString("type", rule.Kind switch
        {
            RuleKind.Together => "affinity",
            RuleKind.Apart => "antiAffinity",
            RuleKind.OnHosts => "vmHostMust",
            _ => throw new ArgumentOutOfRangeException(nameof(rule)),
        });
        w.WriteTexts("vms", rule.Vms);
        if (rule.Kind == RuleKind.OnHosts)
            w.WriteTexts("hosts", rule.Hosts);
        if (rule.Priority != 0)
            w.WriteNumber("priority", rule.Priority);
        if (!rule.IsMust)
            w.WriteBoolean("must", false);
    }
}
