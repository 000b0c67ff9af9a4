namespace Alveare.HostLink;

/// <summary>The times and sizes of the host link; the defaults notice a dead peer or a cut network within about ten seconds.</summary>
public sealed record HostLinkOptions
{
    /// <summary>The version of <c>hostlink.proto</c> that both ends must speak.</summary>
    public const int Protocol = 1;

    public const int DefaultPort = 7443;

    /// <summary>Silence after which a ping is sent. HTTP/2 in .NET takes one second or more.</summary>
    public TimeSpan PingAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long the answer to a ping may take before the connection counts as lost.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a question without work behind it may take: a host that answers pings can still hang.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The largest request a host takes.</summary>
    public int MaxRequestBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>The largest request a host takes of a caller who is not its center; joining takes a few KiB.</summary>
    public int StrangerBytes { get; init; } = 64 * 1024;

    /// <summary>How long such a request may take.</summary>
    public TimeSpan StrangerTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How many of them a host takes at once.</summary>
    public int StrangersAtOnce { get; init; } = 64;

    /// <summary>The largest answer a center takes: a snapshot of some 50,000 machines.</summary>
    public int MaxAnswerBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Life of a certificate that the center issues. It is renewed when a third of it is over, so that a center may be away for
    /// the other two thirds.</summary>
    public TimeSpan CertificateLifetime { get; init; } = TimeSpan.FromDays(365);
}
