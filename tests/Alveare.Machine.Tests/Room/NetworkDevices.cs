using System.Diagnostics;
using System.Text.Json;
using Alveare.Model;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>The network devices of this machine as <c>ip</c> shows them: an opinion independent of our own netlink client.</summary>
internal static class NetworkDevices
{
    /// <summary>Names of the devices that belong to one of the hosts.</summary>
    public static IReadOnlyList<string> Of(IEnumerable<EntityId> hosts)
    {
        var ours = hosts.Select(h => $"alveare {h.Uuid:N} ").ToArray();
        return [.. List().Where(d => ours.Any(Text(d, "ifalias").StartsWith)).Select(d => Text(d, "ifname"))];
    }

    /// <summary>Names of the devices that are ports of a bridge.</summary>
    public static IReadOnlyList<string> PortsOf(string bridge) =>
        [.. List().Where(d => Text(d, "master") == bridge).Select(d => Text(d, "ifname"))];

    public static JsonElement Find(string name) => List().Single(d => Text(d, "ifname") == name);

    /// <summary>Runs a program to its end and answers what it printed; fails when it does.</summary>
    public static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error.Result}");
        return output;
    }

    private static IReadOnlyList<JsonElement> List()
    {
        using var document = JsonDocument.Parse(Run("ip", "-json", "-details", "link", "show"));
        return [.. document.RootElement.Clone().EnumerateArray()];
    }

    private static string Text(JsonElement device, string name) =>
        device.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
}
