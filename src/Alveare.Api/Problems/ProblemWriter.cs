using System.Globalization;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Wire.Rest;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Alveare.Api.Problems;

/// <summary>The one place that catches what handlers throw and answers with a problem document.</summary>
public sealed class ProblemWriter(ILogger log)
{
    public async Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        try
        {
            await next(http);
            // Routing found nothing, or nothing for this method, and wrote no body.
            if (!http.Response.HasStarted && http.Response.StatusCode is 404 or 405)
            {
                var path = http.Request.Path.ToString();
                await WriteAsync(http, http.Response.StatusCode == 404 ? HttpProblem.UnknownRoute(path) : HttpProblem.WrongMethod(http.Request.Method, path));
            }
        }
        catch (FaultException e)
        {
            await WriteAsync(http, HttpProblem.Of(e.Fault), e.Fault);
        }
        catch (ProblemException e)
        {
            await WriteAsync(http, e.Problem);
        }
        catch (BadHttpRequestException e)
        {
            await WriteAsync(http, HttpProblem.BadRequest(e.Message));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The caller has gone: nobody reads an answer.
        }
        catch (Exception e)
        {
            log.LogError(e, "{Method} {Path} broke (reference {Reference}).", http.Request.Method, http.Request.Path, http.TraceIdentifier);
            await WriteAsync(http, HttpProblem.Of(new InternalError(http.TraceIdentifier)));
        }
    }

    private static Task WriteAsync(HttpContext http, Problem problem, Fault? fault = null)
    {
        if (http.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            http.Abort();
            return Task.CompletedTask;
        }

        // Allow (of a wrong method) stays.
        http.Response.StatusCode = problem.Status;
        http.Response.ContentType = HttpProblem.MediaType;
        if (problem.Status == 401)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        if (fault is LoginThrottled throttled)
            http.Response.Headers.RetryAfter = Math.Ceiling(throttled.RetryAfter.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        var body = ModelJson.WriteBytes(problem);
        http.Response.ContentLength = body.Length;
        return http.Response.Body.WriteAsync(body, http.RequestAborted).AsTask();
    }
}
