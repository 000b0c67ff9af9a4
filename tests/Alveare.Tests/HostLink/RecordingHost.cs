using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Tests.HostLink;

/// <summary>A host that keeps what it was told and answers what the test gave it: the far end of link tests.</summary>
internal sealed class RecordingHost(EntityId id) : IHost
{
    public Channel<HostChange> Changes { get; } = Channel.CreateUnbounded<HostChange>();

    public List<HostCommand> Commands { get; } = [];

    public HostSnapshot Snapshot { get; set; } = new(Facts(id), [], [], []);

    /// <summary>What a command does; by default it is done at once.</summary>
    public Func<HostCommand, IProgress<HostProgress>?, CancellationToken, Task<HostReply>> OnExecute { get; set; } =
        (_, _, _) => Task.FromResult<HostReply>(Done.Instance);

    public Func<HostChannel, Stream> OnOpen { get; set; } = _ => throw new FaultException(new NotFound("channel", "any"));

    public EntityId Id { get; } = id;

    public static HostFacts Facts(EntityId id) => new()
    {
        Id = id,
        HostName = "h1",
        AgentVersion = "0.1.0",
        QemuVersion = "7.2",
        Accelerator = Accelerator.Emulation,
        CpuThreads = 2,
        CpuClock = new Megahertz(2000),
        CpuModel = "test",
        Memory = Bytes.FromGib(4),
        MigrationAddress = "192.0.2.1",
    };

    public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation) => Task.FromResult(Snapshot);

    public async IAsyncEnumerable<HostChange> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        yield return new HostObserved(Snapshot);
        await foreach (var change in Changes.Reader.ReadAllAsync(cancellation))
            yield return change;
    }

    public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        lock (Commands)
            Commands.Add(command);
        return OnExecute(command, progress, cancellation);
    }

    public Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation) => Task.FromResult(OnOpen(channel));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
