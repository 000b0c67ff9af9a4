using System.Text.Json;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Guest;

/// <summary>How long the agent inside a guest is listened to.</summary>
/// <param name="Conversation">All that is asked of it at once.</param>
/// <param name="Refusal">It says nothing when it shuts the guest down, and at once when it refuses.</param>
public sealed record AgentPatience(TimeSpan Conversation, TimeSpan Refusal)
{
    public static readonly AgentPatience Usual = new(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1));
}

/// <summary>What is asked of the agent inside a guest.</summary>
public static class GuestAgent
{
    /// <summary>What the guest says of itself, or null when its agent does not answer.</summary>
    public static async Task<GuestFacts?> ReadFactsAsync(string socket, AgentPatience? patience = null)
    {
        using var limit = new CancellationTokenSource((patience ?? AgentPatience.Usual).Conversation);
        try
        {
            using var agent = await AgentConnection.ConnectAsync(socket, limit.Token);
            return GuestReport.Read(
                await TryAsync(agent, "guest-get-host-name", limit.Token),
                await TryAsync(agent, "guest-get-osinfo", limit.Token),
                await TryAsync(agent, "guest-network-get-interfaces", limit.Token));
        }
        catch (Exception e) when (e is AgentException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Asks the guest to shut down; answers why the agent did not take the request, or null when it did.</summary>
    public static async Task<string?> ShutDownAsync(string socket, AgentPatience? patience = null)
    {
        using var limit = new CancellationTokenSource((patience ?? AgentPatience.Usual).Conversation);
        try
        {
            using var agent = await AgentConnection.ConnectAsync(socket, limit.Token);
            await agent.SendAsync("guest-shutdown", new { mode = "powerdown" }, limit.Token);
            using var refusal = new CancellationTokenSource((patience ?? AgentPatience.Usual).Refusal);
            try
            {
                return await agent.ReadAnswerAsync(refusal.Token) is null ? "its agent refused" : null;
            }
            catch (Exception e) when (e is OperationCanceledException or AgentEndedException)
            {
                // Silence is consent, and so is the end of a guest that was quick.
                return null;
            }
        }
        catch (OperationCanceledException)
        {
            return "its agent did not answer";
        }
        catch (AgentException e)
        {
            return $"its agent failed: {e.Message}";
        }
    }

    /// <summary>An older agent lacks commands: what it has is worth something still.</summary>
    private static async Task<JsonElement?> TryAsync(AgentConnection agent, string command, CancellationToken cancellation)
    {
        await agent.SendAsync(command, null, cancellation);
        return await agent.ReadAnswerAsync(cancellation);
    }
}
