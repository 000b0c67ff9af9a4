using Alveare.HostLink.Trust;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Alveare.HostLink.Serving;

/// <summary>Keeps small what callers other than the host's center can take of its memory.</summary>
/// <remarks>A request is read whole before the method that refuses its caller begins. Who is refused within these limits learns why.</remarks>
internal sealed class StrangerLimits(HostTrust trust, HostLinkOptions options)
{
    private int _present;

    public Task InvokeAsync(HttpContext http, RequestDelegate next) =>
        trust.WhyNotOwner(http.Connection.ClientCertificate) is null ? next(http) : LimitAsync(http, next);

    private async Task LimitAsync(HttpContext http, RequestDelegate next)
    {
        try
        {
            if (Interlocked.Increment(ref _present) > options.StrangersAtOnce)
            {
                http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            }

            http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = options.StrangerBytes;
            // Disposed of before the context serves somebody else.
            await using var end = new Timer(_ => http.Abort(), null, options.StrangerTimeout, Timeout.InfiniteTimeSpan);
            await next(http);
        }
        finally
        {
            Interlocked.Decrement(ref _present);
        }
    }
}
