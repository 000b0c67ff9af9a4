namespace Alveare.Planning.Sharing;

/// <summary>A guest whose balloon driver gives memory back, and what its process takes beside it; all in bytes.</summary>
/// <remarks>As ESXi does (Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002, section 3): what a machine is to do without is taken
/// from its guest by a balloon, so that the guest itself chooses the pages, before its process meets a limit.</remarks>
/// <param name="Memory">What the guest was started with.</param>
/// <param name="Ballooned">What of it the guest has given back.</param>
/// <param name="InUse">What it says it cannot do without: neither free nor given back, nor kept of files.</param>
/// <param name="Overhead">The most that the process takes beside the guest's memory.</param>
public readonly record struct BalloonedGuest(double Memory, double Ballooned, double InUse, double Overhead)
{
    /// <summary>How far below its limit a process is kept: what QEMU takes for a moment must fit in between.</summary>
    public const double Slack = 16 << 20;

    // What is left to the guest beyond what it uses now: it grows before it is asked again, and lives on some of the files it keeps.
    private const double Margin = 0.25;
    private const double LeastMargin = 16 << 20;

    // Differences that nobody would notice: half of what there is between a process and its limit.
    private const double Same = Slack / 2;

    /// <summary>What the guest has now.</summary>
    public double Has => Memory - Ballooned;

    /// <summary>The most that the process can come to with what the guest has now.</summary>
    public double MayTake => Has + Overhead;

    /// <summary>The guest is never asked to go below this.</summary>
    public double Floor => Math.Min(Memory, InUse + Math.Max(LeastMargin, Margin * InUse));

    /// <summary>What the process needs with a guest that has given back all it can.</summary>
    public double Keeps => Floor + Overhead + Slack;

    /// <summary>What the guest is to have, so that its process stays below a limit; what it has now, if that is near enough.</summary>
    /// <param name="limit">Infinite for none.</param>
    public double TargetAt(double limit)
    {
        var target = Math.Clamp(limit - Overhead - Slack, Floor, Memory);
        return Math.Abs(target - Has) <= Same && (target < Memory || Ballooned == 0) ? Has : target;
    }
}
