using System.Text.Json;
using Alveare.Kvm.Guest;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Guest;

public sealed class GuestReportTests
{
    [Fact]
    public void WhateverAGuestSaysTheFactsAreSmallAndPrintable()
    {
        var text = Gen.OneOf(Gen.String, Gen.String[0, 5000], Gen.Const("192.0.2.1"), Gen.Const("::1"), Gen.Const("\ud800"));
        var address = Gen.OneOf(
            text.Select(t => (object)new Dictionary<string, object> { ["ip-address"] = t }), Gen.Int.Select(i => (object)i), text.Select(t => (object)t));
        var card = address.Array[0, 40].Select(a => (object)new Dictionary<string, object> { ["ip-addresses"] = a });
        Gen.Select(text, text, card.Array[0, 40]).Sample((host, os, cards) =>
        {
            var facts = GuestReport.Read(
                Json(new Dictionary<string, object> { ["host-name"] = host }),
                Json(new Dictionary<string, object> { ["pretty-name"] = os }),
                Json(cards));
            Assert.True((facts.HostName ?? "").Length <= 253 && (facts.OsName ?? "").Length <= 128 && facts.Addresses.Length <= 32);
            Assert.DoesNotContain(facts.HostName ?? "", char.IsControl);
            Assert.All(facts.Addresses, a => Assert.True(System.Net.IPAddress.TryParse(a, out _)));
        }, iter: 300);
    }

    [Theory]
    [InlineData("""{"host-name":5}""")]
    [InlineData("""{"host-name":"\ud800"}""")]
    [InlineData("[]")]
    [InlineData("null")]
    public void WhatIsNoHostNameIsNone(string json) => Assert.Null(GuestReport.Read(JsonDocument.Parse(json).RootElement, null, null).HostName);

    private static JsonElement Json(object value) => JsonSerializer.SerializeToElement(value);
}
