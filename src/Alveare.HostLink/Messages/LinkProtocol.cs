using System.Globalization;
using Grpc.Core;

namespace Alveare.HostLink.Messages;

/// <summary>How a call says which version of the protocol it speaks.</summary>
internal static class LinkProtocol
{
    public const string Header = "alveare-protocol";

    public static Metadata Headers() => new() { { Header, HostLinkOptions.Protocol.ToString(CultureInfo.InvariantCulture) } };
}
