using System.Globalization;
using System.Threading.Channels;
using Alveare.Core.Hosts;
using Alveare.HostLink.Messages;
using Alveare.HostLink.Trust;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Alveare.HostLink.Serving;

/// <summary>The host's end of the link: turns calls of the center into calls of an <see cref="IHost"/>. Every failure becomes a fault in
/// the answer.</summary>
internal sealed class LinkService(IHost host, HostTrust trust, JoinCredentials credentials, ILogger<LinkService> log) : Link.LinkBase
{
    private const int ProgressBacklog = 8;
    private const int PieceBytes = 64 * 1024;

    private string Name => $"Host '{trust.HostName}'";

    public override Task<EnrolmentAnswer> Join(JoinRequest request, ServerCallContext context) =>
        EnrolmentAsync(context, () =>
        {
            RequireProtocol(context);
            var caller = context.GetHttpContext().Connection.RemoteIpAddress?.ToString() ?? "";
            credentials.Check(caller, request.User, request.Password);
            var center = trust.CenterOf(request.Authority);
            if (trust.Current is { } present && present.Center != center && !request.Force)
                throw new FaultException(new HostOwnedByAnotherCenter(trust.HostName, present.CenterName));
            if (request.Certificate.Length == 0)
                return new EnrolmentAnswer { HostName = trust.HostName, SigningRequest = ByteString.CopyFrom(trust.SigningRequest()) };
            trust.Enrol(request.CenterName, request.Authority, request.Certificate);
            log.LogInformation("The host belongs to center {Center} now", request.CenterName);
            return new EnrolmentAnswer { HostName = trust.HostName };
        });

    public override Task<EnrolmentAnswer> Renew(RenewRequest request, ServerCallContext context) =>
        EnrolmentAsync(context, () =>
        {
            RequireOwner(context);
            if (request.Certificate.Length == 0)
                return new EnrolmentAnswer { HostName = trust.HostName, SigningRequest = ByteString.CopyFrom(trust.SigningRequest()) };
            trust.Renew(request.Certificate);
            return new EnrolmentAnswer { HostName = trust.HostName };
        });

    public override Task<Answer> Release(Nothing request, ServerCallContext context) =>
        AnswerAsync(context, _ =>
        {
            log.LogInformation("The host was released by center {Center}", trust.Owner);
            trust.Leave();
            return Task.FromResult(new Answer { Value = ByteString.Empty });
        });

    public override Task<Answer> Observe(Nothing request, ServerCallContext context) =>
        AnswerAsync(context, async cancellation => new Answer { Value = LinkJson.Write(await host.ObserveAsync(cancellation)) });

    public override async Task Watch(Nothing request, IServerStreamWriter<Answer> answers, ServerCallContext context)
    {
        var failed = await FailureAsync(context, async cancellation =>
        {
            // A slow center holds this loop back by flow control; the host then merges what it missed into one HostObserved.
            await foreach (var change in host.WatchAsync(cancellation))
                await answers.WriteAsync(new Answer { Value = LinkJson.Write(change) }, cancellation);
        });
        if (failed is not null)
            await answers.WriteAsync(new Answer { Fault = failed });
    }

    public override async Task Execute(ExecuteRequest request, IServerStreamWriter<Answer> answers, ServerCallContext context) =>
        await answers.WriteAsync(await AnswerAsync(context, async cancellation =>
        {
            var command = LinkJson.Read<HostCommand>(
                request.Command, Name, reason => new InvalidArgument(Name, "the command", "not readable", $"a record of the protocol ({reason})"));
            var progress = Channel.CreateBounded<HostProgress>(
                new BoundedChannelOptions(ProgressBacklog) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
            var reply = ExecuteAsync(command, progress.Writer, cancellation);
            await foreach (var step in progress.Reader.ReadAllAsync(CancellationToken.None))
                await answers.WriteAsync(new Answer { Progress = LinkJson.Write(step) }, cancellation);
            return new Answer { Value = LinkJson.Write(await reply) };
        }));

    public override async Task Open(IAsyncStreamReader<OpenInput> input, IServerStreamWriter<OpenOutput> output, ServerCallContext context)
    {
        var failed = await FailureAsync(context, async cancellation =>
        {
            if (!await input.MoveNext(cancellation) || input.Current.BodyCase != OpenInput.BodyOneofCase.Channel)
                throw new FaultException(new InvalidArgument(Name, "the first message", "not a channel", "the name of a channel"));
            var channel = LinkJson.Read<HostChannel>(
                input.Current.Channel, Name, reason => new InvalidArgument(Name, "the channel", "not readable", $"a HostChannel ({reason})"));
            await using var stream = await host.OpenAsync(channel, cancellation);
            await output.WriteAsync(new OpenOutput(), cancellation);
            await PumpAsync(stream, input, output, cancellation);
        });
        if (failed is not null)
            await output.WriteAsync(new OpenOutput { Fault = failed });
    }

    private async Task<HostReply> ExecuteAsync(HostCommand command, ChannelWriter<HostProgress> progress, CancellationToken cancellation)
    {
        try
        {
            return await host.ExecuteAsync(command, new ChannelProgress(progress), cancellation);
        }
        finally
        {
            progress.Complete();
        }
    }

    private static async Task PumpAsync(
        Stream stream, IAsyncStreamReader<OpenInput> input, IServerStreamWriter<OpenOutput> output, CancellationToken cancellation)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var writing = stream.CanWrite ? CopyInAsync(stream, input, ended.Token) : Task.CompletedTask;
        try
        {
            var piece = new byte[PieceBytes];
            while (await stream.ReadAsync(piece, ended.Token) is > 0 and var count)
                await output.WriteAsync(new OpenOutput { Data = ByteString.CopyFrom(piece, 0, count) }, ended.Token);
        }
        finally
        {
            await ended.CancelAsync();
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task CopyInAsync(Stream stream, IAsyncStreamReader<OpenInput> input, CancellationToken cancellation)
    {
        while (await input.MoveNext(cancellation))
            await stream.WriteAsync(input.Current.Data.Memory, cancellation);
    }

    private Task<EnrolmentAnswer> EnrolmentAsync(ServerCallContext context, Func<EnrolmentAnswer> work)
    {
        try
        {
            return Task.FromResult(work());
        }
        catch (Exception e)
        {
            return Task.FromResult(new EnrolmentAnswer { HostName = trust.HostName, Fault = FaultOf(e, context).ToMessage() });
        }
    }

    private async Task<Answer> AnswerAsync(ServerCallContext context, Func<CancellationToken, Task<Answer>> work)
    {
        Answer? answer = null;
        var failed = await FailureAsync(context, async cancellation => answer = await work(cancellation));
        return failed is null ? answer! : new Answer { Fault = failed };
    }

    // Runs what only the host's own center may ask for, and stops it when the host changes hands. Null means success.
    private async Task<FaultMessage?> FailureAsync(ServerCallContext context, Func<CancellationToken, Task> work)
    {
        var ownership = trust.OwnershipEnded;
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, ownership);
        try
        {
            RequireOwner(context);
            await work(linked.Token);
            return null;
        }
        catch (Exception) when (context.CancellationToken.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "The caller is gone."));
        }
        catch (OperationCanceledException) when (ownership.IsCancellationRequested)
        {
            return NoLongerOwner().ToMessage();
        }
        catch (Exception e)
        {
            return FaultOf(e, context).ToMessage();
        }
    }

    private Fault NoLongerOwner() => trust.Current is { } present
        ? new HostOwnedByAnotherCenter(trust.HostName, present.CenterName)
        : new HostJoinRefused(trust.HostName, "it was released");

    private Fault FaultOf(Exception exception, ServerCallContext context)
    {
        if (exception is FaultException { Fault: var fault })
            return fault;
        var reference = Guid.NewGuid().ToString("N")[..8];
        log.LogError(exception, "{Method} failed (reference {Reference})", context.Method, reference);
        return new InternalError(reference);
    }

    private void RequireOwner(ServerCallContext context)
    {
        RequireProtocol(context);
        if (trust.WhyNotOwner(context.GetHttpContext().Connection.ClientCertificate) is { } fault)
            throw new FaultException(fault);
    }

    private void RequireProtocol(ServerCallContext context)
    {
        var spoken = context.RequestHeaders.GetValue(LinkProtocol.Header);
        if (spoken != HostLinkOptions.Protocol.ToString(CultureInfo.InvariantCulture))
            throw new FaultException(new Unsupported($"{Name} (host link protocol {HostLinkOptions.Protocol})", $"protocol {spoken ?? "without version"}"));
    }

    private sealed class ChannelProgress(ChannelWriter<HostProgress> writer) : IProgress<HostProgress>
    {
        public void Report(HostProgress value) => writer.TryWrite(value);
    }
}
