using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Model;

public sealed class SshPublicKeyTests
{
    private const string Blob = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    [Theory]
    [InlineData($"ssh-ed25519 {Blob}")]
    [InlineData($"ssh-ed25519 {Blob} anna@work, of the night shift")]
    public void APublicKeyIsOneLineWithATypeThatItsBase64HasToo(string line) => Assert.Null(SshPublicKey.WhyIllegal(line));

    [Theory]
    [InlineData("", "an OpenSSH public key")]
    [InlineData("hello", "an OpenSSH public key")]
    [InlineData($"ssh-dss {Blob}", "an OpenSSH public key")]
    [InlineData("ssh-ed25519", "an OpenSSH public key")]
    [InlineData("ssh-ed25519 AAAA", "a whole ssh-ed25519 key")]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "a whole ssh-ed25519 key")]
    [InlineData("ssh-ed25519 not_base64!", "a whole ssh-ed25519 key")]
    [InlineData($"ssh-rsa {Blob}", "a whole ssh-rsa key")]
    [InlineData($"ssh-ed25519 {Blob}\nssh-ed25519 {Blob}", "one line")]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key is nobody's but its owner's")]
    public void AnythingElseIsToldApart(string line, string expected) =>
        Assert.Contains(expected, SshPublicKey.WhyIllegal(line), StringComparison.Ordinal);
}
