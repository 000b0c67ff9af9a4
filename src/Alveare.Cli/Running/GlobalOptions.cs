using System.CommandLine;

namespace Alveare.Cli.Running;

/// <summary>The options that every command takes.</summary>
public sealed class GlobalOptions
{
    public Option<string?> Url { get; } = new("--url")
    {
        Description = "Address of the center [ALVEARE_URL]", HelpName = "URL", Recursive = true,
    };

    public Option<string?> User { get; } = new("--user") { Description = "Who logs in [ALVEARE_USER]; the password is in ALVEARE_PASSWORD", HelpName = "NAME", Recursive = true };

    public Option<string?> Authority { get; } = new("--ca")
    {
        Description = "File of the certificate to trust [ALVEARE_CA]", HelpName = "FILE", Recursive = true,
    };

    public Option<bool> Json { get; } = new("--json") { Description = "Write the server's records as JSON", Recursive = true };

    public IEnumerable<Option> All => [Url, User, Authority, Json];
}
