using System.Net;
using System.Net.Sockets;
using Alveare.HostLink.Power;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Alveare.Tests.HostLink.Power;

/// <summary>Wake packets on a real socket, and baseboard controllers over real HTTPS.</summary>
public sealed class NetworkPowerTests
{
    private static readonly NetworkPower Power = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AWakePacketIsSixOnesAndTheCardSixteenTimes()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await new NetworkPower(((IPEndPoint)socket.LocalEndPoint!).Port).SendPacketAsync(new WakeOnLan("52:54:00:ab:CD:ef", "127.0.0.1"), Cancellation);
        var packet = new byte[200];
        var length = await socket.ReceiveAsync(packet, Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation);
        Assert.Equal(
            string.Concat(Enumerable.Repeat("FF", 6)) + string.Concat(Enumerable.Repeat("525400ABCDEF", 16)),
            Convert.ToHexString(packet.AsSpan(0, length)));
        Assert.Equal(packet[..length], WakePacket.Of("52:54:00:ab:CD:ef"));
    }

    [Fact]
    public async Task TheOnlySystemIsReadAndPoweredUpAndShutDown()
    {
        await using var controller = await FakeController.StartAsync();
        Assert.True(await Power.IsOnAsync(controller.Settings, FakeController.Password, Cancellation));
        await Power.PowerOnAsync(controller.Settings, FakeController.Password, Cancellation);
        Assert.Empty(controller.Resets);
        await Power.ShutDownAsync(controller.Settings, FakeController.Password, Cancellation);
        controller.PowerState = "PoweringOff";
        Assert.True(await Power.IsOnAsync(controller.Settings, FakeController.Password, Cancellation));
        controller.PowerState = "Off";
        Assert.False(await Power.IsOnAsync(controller.Settings, FakeController.Password, Cancellation));
        await Power.ShutDownAsync(controller.Settings, FakeController.Password, Cancellation);
        await Power.PowerOnAsync(controller.Settings, FakeController.Password, Cancellation);
        Assert.Equal(["1: GracefulShutdown", "1: On"], controller.Resets);
    }

    [Fact]
    public async Task OfSeveralSystemsTheAddressNamesOne()
    {
        await using var controller = await FakeController.StartAsync();
        (controller.Systems, controller.ResetTypes) = (["left", "right"], null);
        Assert.Contains("/redfish/v1/Systems/right", (await FailAsync(controller.Settings)).Reason);
        var right = controller.Settings with { Address = $"{controller.Address}/redfish/v1/Systems/right" };
        await Power.ShutDownAsync(right, FakeController.Password, Cancellation);
        Assert.Equal(["right: GracefulShutdown"], controller.Resets);
    }

    [Fact]
    public async Task AResetThatTheControllerDoesNotHaveIsNotAskedFor()
    {
        await using var controller = await FakeController.StartAsync();
        controller.ResetTypes = ["On", "ForceOff"];
        var fault = await Assert.ThrowsAsync<FaultException>(() => Power.ShutDownAsync(controller.Settings, FakeController.Password, Cancellation));
        Assert.Contains("not by GracefulShutdown", fault.Message);
        Assert.Empty(controller.Resets);
    }

    [Theory]
    [InlineData("not by GracefulShutdown", "On", "ForceOff")]
    [InlineData("not by On", "ForceOn", "GracefulShutdown")]
    public async Task AControllerThatCannotDoBothIsSaidBeforeAnythingIsAskedOfIt(string said, params string[] types)
    {
        await using var controller = await FakeController.StartAsync();
        await Power.CheckAsync(controller.Settings, FakeController.Password, Cancellation);
        controller.ResetTypes = types;
        var fault = await Assert.ThrowsAsync<FaultException>(() => Power.CheckAsync(controller.Settings, FakeController.Password, Cancellation));
        Assert.Contains(said, fault.Message);
        controller.ResetTypes = null;
        await Power.CheckAsync(controller.Settings, FakeController.Password, Cancellation);
        Assert.Empty(controller.Resets);
    }

    [Fact]
    public async Task AnotherCertificateIsNotTalkedToAndIsNamed()
    {
        await using var controller = await FakeController.StartAsync();
        var fault = await FailAsync(controller.Settings with { Fingerprint = new string('A', 64) });
        Assert.Contains(controller.Settings.Fingerprint, fault.Reason);
        Assert.Empty(controller.Asked);
    }

    [Fact]
    public async Task AWrongPasswordAndASilentControllerAreSaid()
    {
        await using var controller = await FakeController.StartAsync();
        var refused = await Assert.ThrowsAsync<FaultException>(() => Power.IsOnAsync(controller.Settings, "wrong", Cancellation));
        Assert.Contains($"refuses its user '{FakeController.User}'", refused.Message);
        var settings = controller.Settings;
        await controller.DisposeAsync();
        Assert.IsType<ControllerFailed>(await FailAsync(settings));
    }

    [Theory]
    [InlineData(200, "not json", "no JSON")]
    [InlineData(200, "[]", "no '@odata.id'")]
    [InlineData(200, "{\"Systems\": 7}", "no '@odata.id'")]
    [InlineData(200, "{\"Systems\": {\"@odata.id\": \"https://elsewhere/redfish/v1/Systems\"}}", "elsewhere")]
    [InlineData(200, "{\"Systems\": {\"@odata.id\": \"//elsewhere/Systems\"}}", "elsewhere")]
    [InlineData(302, "", "HTTP 302")]
    [InlineData(500, "", "HTTP 500")]
    public async Task WhatNoRedfishServiceAnswersIsSaidAndThePasswordGoesNowhereElse(int status, string body, string said)
    {
        await using var controller = await FakeController.StartAsync();
        controller.Instead = async http =>
        {
            http.Response.StatusCode = status;
            http.Response.ContentType = "application/json";
            http.Response.Headers.Location = "https://elsewhere/redfish/v1/";
            if (body.Length > 0)
                await http.Response.WriteAsync(body);
            return true;
        };
        Assert.Contains(said, (await FailAsync(controller.Settings)).Reason);
        Assert.Equal(["GET /redfish/v1/"], controller.Asked);
    }

    private static async Task<ControllerFailed> FailAsync(Redfish controller) =>
        Assert.IsType<ControllerFailed>((await Assert.ThrowsAsync<FaultException>(() => Power.IsOnAsync(controller, FakeController.Password, Cancellation))).Fault);
}
