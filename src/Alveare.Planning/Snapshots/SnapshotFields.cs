using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Alveare.Planning.Snapshots;

/// <summary>The members of a snapshot file, one method per object. What is of another form is a <see cref="FormatException"/> that says where.</summary>
internal ref struct SnapshotFields
{
    private Utf8JsonReader _reader;
    private readonly Dictionary<string, string> _known = new(StringComparer.Ordinal);

    // What is being read, for the sentences of errors.
    private string _where = "the file";

    public SnapshotFields(ReadOnlySpan<byte> json) => _reader = new Utf8JsonReader(json);

    public ClusterSnapshot Cluster()
    {
        _reader.Read();
        Expect(JsonTokenType.StartObject, "an object with hosts, vms and rules");
        var snapshot = new ClusterSnapshot();
        var (hasHosts, hasVms) = (false, false);
        while (NextMember())
        {
            if (_reader.ValueTextEquals("name"u8))
                snapshot = snapshot with { Name = Text() };
            else if (_reader.ValueTextEquals("memoryPromised"u8))
                snapshot = snapshot with { IsMemoryPromised = Truth("memoryPromised") };
            else if (_reader.ValueTextEquals("hosts"u8))
                (snapshot, hasHosts) = hasHosts ? throw Wrong("'hosts' is there twice") : (snapshot with { Hosts = Hosts("hosts") }, true);
            else if (_reader.ValueTextEquals("asleep"u8))
                snapshot = snapshot with { Asleep = Hosts("asleep") };
            else if (_reader.ValueTextEquals("vms"u8))
                (snapshot, hasVms) = hasVms ? throw Wrong("'vms' is there twice") : (snapshot with { Vms = Vms() }, true);
            else if (_reader.ValueTextEquals("rules"u8))
                snapshot = snapshot with { Rules = Rules() };
            else
                _reader.Skip();
        }

        if (_reader.Read())
            throw new FormatException("there is more after the object");
        return hasHosts && hasVms ? snapshot : throw new FormatException($"it has no '{(hasHosts ? "vms" : "hosts")}'");
    }

    private ImmutableArray<SnapshotHost> Hosts(string member)
    {
        var hosts = ImmutableArray.CreateBuilder<SnapshotHost>();
        BeginArray(member);
        while (NextObject("host", hosts.Count))
        {
            string? id = null;
            var (cpu, mem) = (double.NaN, double.NaN);
            while (NextMember())
            {
                if (_reader.ValueTextEquals("id"u8))
                    id = Named("host", Text());
                else if (_reader.ValueTextEquals("cpuMhz"u8))
                    cpu = Number("cpuMhz");
                else if (_reader.ValueTextEquals("memMb"u8))
                    mem = Number("memMb");
                else
                    _reader.Skip();
            }

            hosts.Add(new SnapshotHost(Known(Required(id, "id")), Required(cpu, "cpuMhz"), Required(mem, "memMb")));
        }

        return hosts.DrainToImmutable();
    }

    private ImmutableArray<SnapshotVm> Vms()
    {
        var vms = ImmutableArray.CreateBuilder<SnapshotVm>();
        BeginArray("vms");
        while (NextObject("vm", vms.Count))
            vms.Add(Vm());
        return vms.DrainToImmutable();
    }

    private SnapshotVm Vm()
    {
        string? id = null, host = null;
        var vcpus = 1.0;
        var (demand, mem, consumed, active) = (double.NaN, double.NaN, double.NaN, double.NaN);
        var (cpuReservation, cpuLimit, cpuShares) = (0.0, -1.0, 0.0);
        var (memReservation, memLimit, memShares) = (0.0, -1.0, 0.0);
        ImmutableArray<string> onlyOn = [];
        ImmutableArray<string>? startsOn = null;
        OwnMode? ownMode = null;
        var isPaused = false;
        while (NextMember())
        {
            if (_reader.ValueTextEquals("id"u8))
                id = Named("vm", Text());
            else if (_reader.ValueTextEquals("host"u8))
                host = Text();
            else if (_reader.ValueTextEquals("vcpus"u8))
                vcpus = Number("vcpus");
            else if (_reader.ValueTextEquals("cpuDemandMhz"u8))
                demand = Number("cpuDemandMhz");
            else if (_reader.ValueTextEquals("memMb"u8))
                mem = Number("memMb");
            else if (_reader.ValueTextEquals("consumedMb"u8))
                consumed = Number("consumedMb");
            else if (_reader.ValueTextEquals("activeMb"u8))
                active = Number("activeMb");
            else if (_reader.ValueTextEquals("cpuReservationMhz"u8))
                cpuReservation = Number("cpuReservationMhz");
            else if (_reader.ValueTextEquals("cpuLimitMhz"u8))
                cpuLimit = Number("cpuLimitMhz");
            else if (_reader.ValueTextEquals("cpuShares"u8))
                cpuShares = Number("cpuShares");
            else if (_reader.ValueTextEquals("memReservationMb"u8))
                memReservation = Number("memReservationMb");
            else if (_reader.ValueTextEquals("memLimitMb"u8))
                memLimit = Number("memLimitMb");
            else if (_reader.ValueTextEquals("memShares"u8))
                memShares = Number("memShares");
            else if (_reader.ValueTextEquals("onlyOn"u8))
                onlyOn = Texts("onlyOn");
            else if (_reader.ValueTextEquals("startsOn"u8))
                startsOn = Texts("startsOn");
            else if (_reader.ValueTextEquals("ownMode"u8))
                ownMode = Mode(Text());
            else if (_reader.ValueTextEquals("paused"u8))
                isPaused = Truth("paused");
            else
                _reader.Skip();
        }

        return new SnapshotVm
        {
            Id = Required(id, "id"),
            Host = Known(Required(host, "host")),
            Vcpus = Whole("vcpus", vcpus, 1, 65536),
            CpuDemandMhz = Required(demand, "cpuDemandMhz"),
            MemMb = Required(mem, "memMb"),
            ConsumedMb = Required(consumed, "consumedMb"),
            ActiveMb = Required(active, "activeMb"),
            CpuReservationMhz = cpuReservation,
            CpuLimitMhz = cpuLimit,
            CpuShares = cpuShares,
            MemReservationMb = memReservation,
            MemLimitMb = memLimit,
            MemShares = memShares,
            OnlyOn = onlyOn,
            StartsOn = startsOn,
            OwnMode = ownMode,
            IsPaused = isPaused,
        };
    }

    private ImmutableArray<SnapshotRule> Rules()
    {
        var rules = ImmutableArray.CreateBuilder<SnapshotRule>();
        BeginArray("rules");
        while (NextObject("rule", rules.Count))
        {
            string? id = null, type = null;
            ImmutableArray<string> vms = default, hosts = [];
            var (priority, isMust) = (0.0, true);
            while (NextMember())
            {
                if (_reader.ValueTextEquals("id"u8))
                    id = Named("rule", Text());
                else if (_reader.ValueTextEquals("type"u8))
                    type = Text();
                else if (_reader.ValueTextEquals("vms"u8))
                    vms = Texts("vms");
                else if (_reader.ValueTextEquals("hosts"u8))
                    hosts = Texts("hosts");
                else if (_reader.ValueTextEquals("priority"u8))
                    priority = Number("priority");
                else if (_reader.ValueTextEquals("must"u8))
                    isMust = Truth("must");
                else
                    _reader.Skip();
            }

            if (vms.IsDefault)
                throw Wrong("it has no 'vms'");
            rules.Add(new SnapshotRule(Required(id, "id"), Kind(Required(type, "type")), vms, hosts)
            {
                Priority = Whole("priority", priority, 0, SnapshotRule.MostPriority),
                IsMust = isMust,
            });
        }

        return rules.DrainToImmutable();
    }

    private RuleKind Kind(string type) => type switch
    {
        "affinity" => RuleKind.Together,
        "antiAffinity" => RuleKind.Apart,
        "vmHostMust" => RuleKind.OnHosts,
        _ => throw Wrong($"type is '{type}', expected affinity, antiAffinity or vmHostMust"),
    };

    private OwnMode Mode(string mode) => mode switch
    {
        "off" => OwnMode.Off,
        "manual" => OwnMode.Manual,
        "partial" => OwnMode.Partial,
        "full" => OwnMode.Full,
        _ => throw Wrong($"ownMode is '{mode}', expected off, manual, partial or full"),
    };

    private void BeginArray(string member)
    {
        _reader.Read();
        Expect(JsonTokenType.StartArray, $"a list in '{member}'");
    }

    private bool NextObject(string what, int number)
    {
        _where = $"{what} number {number + 1}";
        _reader.Read();
        if (_reader.TokenType == JsonTokenType.EndArray)
        {
            _where = "the file";
            return false;
        }

        Expect(JsonTokenType.StartObject, "an object");
        return true;
    }

    private bool NextMember()
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.PropertyName;
    }

    private string Text()
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.String ? _reader.GetString()! : throw Wrong($"{Found()} where a text was expected");
    }

    private ImmutableArray<string> Texts(string member)
    {
        BeginArray(member);
        var texts = ImmutableArray.CreateBuilder<string>();
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
            texts.Add(_reader.TokenType == JsonTokenType.String ? _reader.GetString()! : throw Wrong($"{Found()} in '{member}' where a text was expected"));
        return texts.DrainToImmutable();
    }

    // NaN and infinities are no JSON; some writers put them as texts.
    private double Number(string member)
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.Number && _reader.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Wrong($"{member} is {Found()}, expected a number");
    }

    private int Whole(string member, double number, int least, int most) => number >= least && number <= most && number == Math.Floor(number)
        ? (int)number
        : throw Wrong($"{member} is {number.ToString(CultureInfo.InvariantCulture)}, expected a whole number from {least} to {most}");

    private bool Truth(string member)
    {
        _reader.Read();
        return _reader.TokenType is JsonTokenType.True or JsonTokenType.False ? _reader.GetBoolean() : throw Wrong($"'{member}' is {Found()}, expected true or false");
    }

    private string Found() => _reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.Null => "null",
        _ => $"'{System.Text.Encoding.UTF8.GetString(_reader.ValueSpan[..Math.Min(_reader.ValueSpan.Length, 40)])}'",
    };

    private void Expect(JsonTokenType type, string expected)
    {
        if (_reader.TokenType != type)
            throw Wrong($"{Found()} where {expected} was expected");
    }

    // Host ids come thousands of times: one string for all makes finding them cheap.
    private string Known(string id)
    {
        if (_known.TryGetValue(id, out var known))
            return known;
        _known[id] = id;
        return id;
    }

    private string Named(string what, string id)
    {
        _where = $"{what} '{id}'";
        return id;
    }

    private string Required(string? text, string member) => text ?? throw Wrong($"it has no '{member}'");

    private double Required(double number, string member) => double.IsNaN(number) ? throw Wrong($"it has no '{member}'") : number;

    private FormatException Wrong(string what) => new(_where == "the file" ? what : $"{_where}: {what}");
}
