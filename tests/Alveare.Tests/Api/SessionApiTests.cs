using System.Net;
using Alveare.Core.Security;
using Xunit;
using static Alveare.Tests.Api.ApiSite;

namespace Alveare.Tests.Api;

public sealed class SessionApiTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryRouteButTheOpenOnesNeedsASession()
    {
        var stranger = site.Stranger();
        foreach (var route in Alveare.Api.RestApi.Routes)
        {
            using var request = new HttpRequestMessage(new HttpMethod(route.Method), $"/api/{route.Pattern.Replace("{id}", "x", StringComparison.Ordinal)}");
            var answer = await stranger.SendAsync(request, Cancellation);
            if (!route.IsOpen)
                await ProblemAsync(answer, 401, "NotAuthenticated");
        }

        Assert.Equal(["getHealth", "getOpenApi", "logIn"], Alveare.Api.RestApi.Routes.Where(r => r.IsOpen).Select(r => r.Id).Order());
        Assert.Equal(HttpStatusCode.OK, (await stranger.GetAsync("/api/health", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task AWrongPasswordIsRefusedAndThenThrottled()
    {
        var stranger = site.Stranger();
        for (var n = 0; n < 5; n++)
            await ProblemAsync(await WrongAsync(stranger), 401, "LoginFailed");
        var throttled = await WrongAsync(stranger);
        await ProblemAsync(throttled, 429, "LoginThrottled");
        var wait = throttled.Headers.RetryAfter!.Delta!.Value;
        Assert.True(wait > TimeSpan.Zero);

        site.Clock.Advance(wait);
        await ProblemAsync(await WrongAsync(stranger), 401, "LoginFailed");
        site.Clock.Advance(TimeSpan.FromMinutes(6));
        await site.LogInAsync();
    }

    [Fact]
    public async Task ASessionThatIsNotUsedExpires()
    {
        var client = await site.LogInAsync();
        await JsonAsync(await client.GetAsync("/api/vms", Cancellation));
        site.Clock.Advance(Sessions.IdleTimeout);
        await ProblemAsync(await client.GetAsync("/api/vms", Cancellation), 401, "NotAuthenticated");
    }

    [Fact]
    public async Task AfterLoggingOutTheTokenIsWorthless()
    {
        var client = await site.LogInAsync("olga");
        Assert.Equal("operator", (await JsonAsync(await client.GetAsync("/api/session", Cancellation))).GetProperty("role").GetString());
        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync("/api/session", Cancellation)).StatusCode);
        await ProblemAsync(await client.GetAsync("/api/session", Cancellation), 401, "NotAuthenticated");
    }

    [Fact]
    public async Task WhatARoleMayNotIsRefusedAndAudited()
    {
        var vm = await site.PutMachineAsync("audited");
        var rita = await site.LogInAsync("rita");
        await JsonAsync(await rita.GetAsync($"/api/vms/{vm}", Cancellation));
        await ProblemAsync(await rita.PostAsync($"/api/vms/{vm}:power-on", null, Cancellation), 403, "NoPermission");
        await ProblemAsync(await rita.GetAsync($"/api/vms/{vm}/log", Cancellation), 403, "NoPermission");
        var olga = await site.LogInAsync("olga");
        await ProblemAsync(await olga.GetAsync("/api/users", Cancellation), 403, "NoPermission");

        var audit = await JsonAsync(await olga.GetAsync("/api/events?severity=audit&kind=operation.refused", Cancellation));
        var refused = audit.GetProperty("items").EnumerateArray().Select(e => $"{e.GetProperty("user")} {e.GetProperty("message")}").ToList();
        Assert.Contains(refused, r => r.StartsWith("rita vm.power-on", StringComparison.Ordinal));
        Assert.Contains(refused, r => r.StartsWith("rita vm.log", StringComparison.Ordinal));
        Assert.Contains(refused, r => r.StartsWith("olga user.list", StringComparison.Ordinal));
    }

    private static Task<HttpResponseMessage> WrongAsync(HttpClient client) =>
        client.PostAsync("/api/session", Json("""{"user":"admin","password":"wrong horse"}"""), Cancellation);
}
