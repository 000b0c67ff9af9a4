using Alveare.Model.Faults;
using Grpc.Core;

namespace Alveare.HostLink.Remote;

/// <summary>What a broken call means: gRPC, HTTP/2, TLS and socket errors, and answers that do not come in time, as faults.</summary>
internal static class LinkFailure
{
    /// <summary>The fault for <paramref name="exception"/>, or null when it is none of the link's.</summary>
    public static Fault? ToFault(Exception exception, string hostName)
    {
        if (exception is TimeoutException)
            return new HostNotConnected(hostName, "it did not answer in time");
        if (exception is not (RpcException or IOException or ObjectDisposedException or InvalidOperationException))
            return null;
        // The check of the peer's certificate throws its fault through TLS, HTTP and gRPC, each of which wraps it.
        if (Causes(exception).OfType<FaultException>().FirstOrDefault() is { } known)
            return known.Fault;
        if (exception is not RpcException rpc)
            return exception is IOException or ObjectDisposedException ? new HostNotConnected(hostName, "the connection was closed") : null;
        return rpc.StatusCode switch
        {
            StatusCode.Unimplemented => new Unsupported($"Host '{hostName}'", "this part of the host link"),
            StatusCode.Internal when !Causes(rpc).Any(e => e is IOException or HttpRequestException) => new HostAnswerInvalid(hostName, Innermost(rpc)),
            StatusCode.ResourceExhausted or StatusCode.DataLoss or StatusCode.OutOfRange or StatusCode.Unknown =>
                new HostAnswerInvalid(hostName, Innermost(rpc)),
            _ => new HostNotConnected(hostName, Innermost(rpc)),
        };
    }

    private static IEnumerable<Exception> Causes(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException ?? (cause as RpcException)?.Status.DebugException)
            yield return cause;
    }

    private static string Innermost(RpcException exception)
    {
        var text = Causes(exception).Last() is RpcException ? exception.Status.Detail : Causes(exception).Last().Message;
        return text.Split('\n')[0].TrimEnd('.', ' ', '\r');
    }
}
