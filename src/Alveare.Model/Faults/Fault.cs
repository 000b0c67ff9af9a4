using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Alveare.Model.Machines;

namespace Alveare.Model.Faults;

/// <summary>An expected failure: a closed set of records, each with the data to act on and one sentence that names the object, what is
/// wrong and what was expected.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "fault")]
[JsonDerivedType(typeof(NotFound), nameof(NotFound))]
[JsonDerivedType(typeof(AmbiguousName), nameof(AmbiguousName))]
[JsonDerivedType(typeof(DuplicateName), nameof(DuplicateName))]
[JsonDerivedType(typeof(InvalidName), nameof(InvalidName))]
[JsonDerivedType(typeof(InvalidArgument), nameof(InvalidArgument))]
[JsonDerivedType(typeof(InvalidPath), nameof(InvalidPath))]
[JsonDerivedType(typeof(InvalidMachine), nameof(InvalidMachine))]
[JsonDerivedType(typeof(InvalidPowerState), nameof(InvalidPowerState))]
[JsonDerivedType(typeof(InvalidState), nameof(InvalidState))]
[JsonDerivedType(typeof(ObjectInUse), nameof(ObjectInUse))]
[JsonDerivedType(typeof(NotAuthenticated), nameof(NotAuthenticated))]
[JsonDerivedType(typeof(LoginFailed), nameof(LoginFailed))]
[JsonDerivedType(typeof(LoginThrottled), nameof(LoginThrottled))]
[JsonDerivedType(typeof(NoPermission), nameof(NoPermission))]
[JsonDerivedType(typeof(NoHostFits), nameof(NoHostFits))]
[JsonDerivedType(typeof(InsufficientMemory), nameof(InsufficientMemory))]
[JsonDerivedType(typeof(InsufficientReservation), nameof(InsufficientReservation))]
[JsonDerivedType(typeof(InsufficientPoolReservation), nameof(InsufficientPoolReservation))]
[JsonDerivedType(typeof(CpuIncompatible), nameof(CpuIncompatible))]
[JsonDerivedType(typeof(HostBelowBaseline), nameof(HostBelowBaseline))]
[JsonDerivedType(typeof(MachinesAboveBaseline), nameof(MachinesAboveBaseline))]
[JsonDerivedType(typeof(RuleViolated), nameof(RuleViolated))]
[JsonDerivedType(typeof(RuleConflict), nameof(RuleConflict))]
[JsonDerivedType(typeof(StartsAfter), nameof(StartsAfter))]
[JsonDerivedType(typeof(GroupLeftBehind), nameof(GroupLeftBehind))]
[JsonDerivedType(typeof(MachinesNotStarted), nameof(MachinesNotStarted))]
[JsonDerivedType(typeof(HostsLeftInMaintenance), nameof(HostsLeftInMaintenance))]
[JsonDerivedType(typeof(HostNotEmptied), nameof(HostNotEmptied))]
[JsonDerivedType(typeof(HostStaysOn), nameof(HostStaysOn))]
[JsonDerivedType(typeof(HostNotWoken), nameof(HostNotWoken))]
[JsonDerivedType(typeof(ControllerFailed), nameof(ControllerFailed))]
[JsonDerivedType(typeof(DatastoreNotAccessible), nameof(DatastoreNotAccessible))]
[JsonDerivedType(typeof(DatastoreIsAnother), nameof(DatastoreIsAnother))]
[JsonDerivedType(typeof(NetworkNotAccessible), nameof(NetworkNotAccessible))]
[JsonDerivedType(typeof(DeviceNotMovable), nameof(DeviceNotMovable))]
[JsonDerivedType(typeof(DatastoreFull), nameof(DatastoreFull))]
[JsonDerivedType(typeof(FileNotFoundFault), nameof(FileNotFoundFault))]
[JsonDerivedType(typeof(FileExists), nameof(FileExists))]
[JsonDerivedType(typeof(FileCorrupt), nameof(FileCorrupt))]
[JsonDerivedType(typeof(FileLocked), nameof(FileLocked))]
[JsonDerivedType(typeof(MachineLocked), nameof(MachineLocked))]
[JsonDerivedType(typeof(StaleEpoch), nameof(StaleEpoch))]
[JsonDerivedType(typeof(MachineDied), nameof(MachineDied))]
[JsonDerivedType(typeof(MachineStartFailed), nameof(MachineStartFailed))]
[JsonDerivedType(typeof(MigrationFailed), nameof(MigrationFailed))]
[JsonDerivedType(typeof(GuestNotReachable), nameof(GuestNotReachable))]
[JsonDerivedType(typeof(HostNotConnected), nameof(HostNotConnected))]
[JsonDerivedType(typeof(HostAnswerInvalid), nameof(HostAnswerInvalid))]
[JsonDerivedType(typeof(HostIdentityChanged), nameof(HostIdentityChanged))]
[JsonDerivedType(typeof(HostOwnedByAnotherCenter), nameof(HostOwnedByAnotherCenter))]
[JsonDerivedType(typeof(HostJoinRefused), nameof(HostJoinRefused))]
[JsonDerivedType(typeof(TaskAlreadyEnded), nameof(TaskAlreadyEnded))]
[JsonDerivedType(typeof(NotCancellable), nameof(NotCancellable))]
[JsonDerivedType(typeof(Interrupted), nameof(Interrupted))]
[JsonDerivedType(typeof(Unsupported), nameof(Unsupported))]
[JsonDerivedType(typeof(HostOperationFailed), nameof(HostOperationFailed))]
[JsonDerivedType(typeof(InternalError), nameof(InternalError))]
public abstract record Fault
{
    /// <summary>The sentence for people, and what to do instead where that is known. Written into JSON too, for readers that do not know every fault; never read back.</summary>
    public string Message => Instead is null ? Sentence : $"{Sentence} {Instead}";

    /// <summary>What would be possible instead, or may have been meant, as a sentence of its own; null where nobody has looked or there is nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Instead { get; init; }

    /// <summary>Names the object, what is wrong and what was expected.</summary>
    protected abstract string Sentence { get; }

    /// <summary>The fault's stable name, the same on every facade.</summary>
    [JsonIgnore]
    public string Code => GetType().Name;

    public sealed override string ToString() => $"{Code}: {Message}";

    /// <summary>The beginning of a text that somebody gave: what is far too long is told apart by that too.</summary>
    protected static string Shown(string given) => given.Length <= 100 ? given : $"{given[..97]}...";
}

/// <summary>Carries a <see cref="Fault"/> to the one place that catches it.</summary>
public class FaultException(Fault fault, Exception? inner = null) : Exception(fault.Message, inner)
{
    public Fault Fault { get; } = fault;
}

/// <summary>No object has this name, path or id.</summary>
public sealed record NotFound(string What, string Name) : Fault
{
    protected override string Sentence => $"No {What} is named '{Shown(Name)}'.";

    /// <summary>With what may have been meant, if any of the names that there are is near to the given one.</summary>
    public static NotFound Among(IEnumerable<string> names, string what, string given)
    {
        var near = NearNames.Of(given, names);
        return new NotFound(what, given) { Instead = near.IsEmpty ? null : $"Did you mean {Alternatives.Of([.. near.Select(n => $"'{n}'")])}?" };
    }
}

/// <summary>A name that several objects have; use a path or an id.</summary>
public sealed record AmbiguousName(string What, string Name, ImmutableArray<string> Candidates) : Fault
{
    protected override string Sentence => $"The {What} name '{Name}' is ambiguous: it can be {string.Join(", ", Candidates)}. Give a path or an id.";
}

public sealed record DuplicateName(string What, string Name, string Parent) : Fault
{
    protected override string Sentence => $"'{Parent}' already holds a {What} named '{Name}'; names are unique in one place.";
}

public sealed record InvalidName(string Name, string Reason) : Fault
{
    protected override string Sentence => $"The name '{Shown(Name)}' is not valid: {Reason}.";
}

/// <summary>A value out of its range.</summary>
/// <param name="Object">What it was given for, such as a machine's name.</param>
public sealed record InvalidArgument(string Object, string Argument, string Given, string Expected) : Fault
{
    protected override string Sentence => $"{Object}: {Argument} is {Given}, expected {Expected}.";
}

public sealed record InvalidPath(string Path, string Reason) : Fault
{
    protected override string Sentence => $"The path '{Shown(Path)}' is not valid: {Reason}.";
}

/// <summary>The files of a machine cannot be used as they are.</summary>
public sealed record InvalidMachine(string Machine, string Reason) : Fault
{
    protected override string Sentence => $"The files of virtual machine '{Machine}' are not valid: {Reason}.";
}

public sealed record InvalidPowerState(string Machine, PowerState Actual, PowerStates Expected) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' is {PowerStateTable.Words(Actual.AsSet())}; this operation needs it to be {PowerStateTable.Words(Expected)}.";
}

public sealed record InvalidState(string Object, string Actual, string Expected) : Fault
{
    protected override string Sentence => $"'{Object}' is {Actual}; this operation needs it to be {Expected}.";
}

public sealed record ObjectInUse(string Object, string By) : Fault
{
    protected override string Sentence => $"'{Object}' is in use by {By}.";
}

/// <summary>No session, or one that has expired.</summary>
public sealed record NotAuthenticated : Fault
{
    protected override string Sentence => "There is no session, or it has expired: log in first.";
}

public sealed record LoginFailed(string User) : Fault
{
    protected override string Sentence => "The user name or password is wrong.";
}

public sealed record LoginThrottled(string User, TimeSpan RetryAfter) : Fault
{
    protected override string Sentence => $"Too many failed logins for '{User}': try again in {Math.Ceiling(RetryAfter.TotalSeconds)} s.";
}

public sealed record NoPermission(string User, string Privilege, string Object) : Fault
{
    protected override string Sentence => $"User '{User}' lacks the privilege {Privilege} on '{Object}'.";
}

/// <summary>Placement found no host.</summary>
public sealed record NoHostFits(string Machine, ImmutableArray<HostRefusal> Refusals) : Fault
{
    protected override string Sentence => Refusals.IsEmpty
        ? $"No host can run '{Machine}': there is no host to choose from."
        : $"No host can run '{Machine}': {string.Join("; ", Refusals.Select(r => $"{r.HostName}: {r.Reason}"))}.";
}

/// <summary>Why one host was not chosen.</summary>
public sealed record HostRefusal(EntityId Host, string HostName, string Reason);

public sealed record InsufficientMemory(string Machine, string HostName, Bytes Needed, Bytes Free) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' needs {Needed} of memory, host '{HostName}' has {Free} left for guests.";
}

/// <summary>A promise of CPU that a host cannot keep beside those it has given.</summary>
public sealed record InsufficientReservation(string Machine, string HostName, Megahertz Needed, Megahertz Free) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' is promised {Needed} of CPU, host '{HostName}' has {Free} that are promised to nobody.";
}

/// <summary>What resource pools divide.</summary>
public enum PoolResource
{
    /// <summary>In megahertz.</summary>
    Cpu,

    /// <summary>In bytes.</summary>
    Memory,
}

/// <summary>A promise that a resource pool, or its cluster, cannot keep beside those it has given.</summary>
/// <param name="Asker">Who is to be promised something, as the beginning of a sentence.</param>
/// <param name="Pool">Who lacks it, in words: the asker's own pool, or one above that was asked for what the pools below lack.</param>
/// <param name="IsExpandable">The pool could have asked the one above, if its limit allowed it; null for a cluster, which has nobody to ask.</param>
public sealed record InsufficientPoolReservation(string Asker, string Pool, PoolResource Resource, long Needed, long Free, bool? IsExpandable) : Fault
{
    protected override string Sentence =>
        $"{Asker} needs {Amount(Needed)} of {(Resource == PoolResource.Cpu ? "CPU" : "memory")} from {Pool}, which has {Amount(Free)} left to promise{Why}.";

    private string Why => IsExpandable switch { true => " within its limit", false => " and is not expandable", null => "" };

    private string Amount(long amount) => Resource == PoolResource.Cpu ? $"{new Megahertz(amount)}" : $"{new Bytes(amount)}";
}

public sealed record CpuIncompatible(string Machine, string HostName, ImmutableArray<string> Missing) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' cannot run on host '{HostName}': its CPU lacks {string.Join(", ", Missing)}.";
}

/// <summary>A host that cannot give what its cluster's CPU baseline promises to machines.</summary>
public sealed record HostBelowBaseline(string HostName, string Cluster, string Baseline, ImmutableArray<string> Missing) : Fault
{
    protected override string Sentence =>
        $"Host '{HostName}' cannot be in cluster '{Cluster}' with the CPU baseline {Baseline}: its CPU lacks {string.Join(", ", Missing)}.";
}

/// <summary>Machines that run with more CPU features than a baseline has, and so might not be able to move within the cluster.</summary>
public sealed record MachinesAboveBaseline(string Cluster, string Baseline, ImmutableArray<string> Machines) : Fault
{
    protected override string Sentence =>
        $"These machines run with more than the CPU baseline {Baseline} that cluster '{Cluster}' has or is to have: {string.Join(", ", Machines)}. Power them off first.";
}

/// <summary>A machine would break a rule of its cluster on this host.</summary>
/// <param name="Rule">The rule in words, with its name.</param>
public sealed record RuleViolated(string Machine, string HostName, string Rule) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' must not run on host '{HostName}' now: {Rule}.";
}

/// <summary>A machine has moved, and not all that rules keep together with it.</summary>
/// <param name="Behind">Each machine that stays, and why.</param>
public sealed record GroupLeftBehind(string Machine, string HostName, ImmutableArray<string> Behind) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' runs on host '{HostName}' now, but not its whole group: {string.Join("; ", Behind)}.";
}

/// <summary>A rule that cannot be kept, alone or together with others.</summary>
public sealed record RuleConflict(string Rule, ImmutableArray<string> Conflicts) : Fault
{
    protected override string Sentence => $"Rule '{Rule}' is refused, because it could not be kept: {string.Join("; ", Conflicts)}.";
}

/// <summary>A machine that starts after others which are not on.</summary>
public sealed record StartsAfter(string Machine, string Rule, ImmutableArray<string> Waiting) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' starts after {string.Join(", ", Waiting)} by rule '{Rule}': start them first.";
}

/// <summary>Of machines that were to be powered on some were not.</summary>
/// <param name="Machines">Each machine, and why.</param>
public sealed record MachinesNotStarted(string Cluster, ImmutableArray<string> Machines) : Fault
{
    protected override string Sentence => $"Machines of cluster '{Cluster}' were not powered on: {string.Join("; ", Machines)}.";
}

/// <summary>A host that could not be emptied for maintenance or standby: machines stay on it.</summary>
/// <param name="Staying">Each machine, and why it cannot leave.</param>
public sealed record HostNotEmptied(string HostName, ImmutableArray<string> Staying) : Fault
{
    protected override string Sentence => $"Host '{HostName}' cannot be emptied: {string.Join("; ", Staying)}.";
}

/// <summary>Rolling maintenance could not let hosts run machines again.</summary>
/// <param name="Hosts">Each host, and why.</param>
public sealed record HostsLeftInMaintenance(string Cluster, ImmutableArray<string> Hosts) : Fault
{
    protected override string Sentence => $"Hosts of cluster '{Cluster}' are left in maintenance: {string.Join("; ", Hosts)}.";
}

public sealed record DatastoreNotAccessible(string Datastore, string HostName, string Reason) : Fault
{
    protected override string Sentence => $"Host '{HostName}' cannot use datastore '{Datastore}': {Reason}.";
}

/// <summary>A host that does not power down.</summary>
/// <param name="Reason">A clause, such as <c>a machine runs on it</c>.</param>
public sealed record HostStaysOn(string HostName, string Reason) : Fault
{
    protected override string Sentence => $"Host '{HostName}' is not powered down: {Reason}.";
}

/// <summary>A host in standby that was woken and does not answer.</summary>
/// <param name="Tries">In a row without success, over all tasks.</param>
public sealed record HostNotWoken(string HostName, int Tries, string Reason) : Fault
{
    protected override string Sentence => $"Host '{HostName}' does not wake, {(Tries == 1 ? "tried once" : $"tried {Tries} times in a row")}: {Reason}.";
}

/// <summary>A baseboard management controller that does not do what it was asked.</summary>
public sealed record ControllerFailed(string Address, string Reason) : Fault
{
    protected override string Sentence => $"The baseboard controller at {Address} cannot be used: {Reason}.";
}

/// <summary>The directory is marked as another datastore than the one it was offered as.</summary>
public sealed record DatastoreIsAnother(string Datastore, string HostName, string Path, EntityId Actual) : Fault
{
    protected override string Sentence => $"'{Path}' on host '{HostName}' is not datastore '{Datastore}' but is marked as {Actual}.";
}

public sealed record NetworkNotAccessible(string PortGroup, string HostName) : Fault
{
    /// <summary>The port groups that the host has, where it was the host that refused.</summary>
    public ImmutableArray<string> Offered { get; init; } = [];

    protected override string Sentence => Offered.IsEmpty
        ? $"Host '{HostName}' has no port group '{PortGroup}'."
        : $"Host '{HostName}' has no port group '{PortGroup}'; it has: {string.Join(", ", Offered)}.";
}

public sealed record DeviceNotMovable(string Machine, string Device, string Reason) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' cannot move: {Device} {Reason}.";
}

public sealed record DatastoreFull(string Datastore, string Action) : Fault
{
    protected override string Sentence => $"Datastore '{Datastore}' is full: {Action} was taken back.";
}

/// <summary>A file that should be there is not.</summary>
public sealed record FileNotFoundFault(string Path) : Fault
{
    protected override string Sentence => $"The file '{Path}' does not exist.";
}

public sealed record FileExists(string Path) : Fault
{
    protected override string Sentence => $"'{Path}' already exists; it is not overwritten.";
}

public sealed record FileCorrupt(string Path, string Reason) : Fault
{
    protected override string Sentence => $"The file '{Path}' is corrupt: {Reason}.";
}

public sealed record FileLocked(string Path, string Reason) : Fault
{
    protected override string Sentence => $"The file '{Path}' is locked: {Reason}.";
}

/// <summary>The on-disk lock is held by somebody else.</summary>
public sealed record MachineLocked(string Machine, string Owner, long Epoch) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' is locked by {Owner} (epoch {Epoch}): it runs there, or that host ended without releasing it.";
}

/// <summary>A command that was overtaken: the machine has been owned anew since.</summary>
public sealed record StaleEpoch(string Machine, long Given, long Actual) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' is at lock epoch {Actual}, the command was made for {Given}: it is not carried out.";
}

public sealed record MachineDied(string Machine, string Cause) : Fault
{
    protected override string Sentence => $"The process of virtual machine '{Machine}' ended: {Cause}.";
}

public sealed record MachineStartFailed(string Machine, string Cause) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' could not be started: {Cause}.";
}

/// <summary>A migration ended without a move.</summary>
/// <param name="RunsOn">Name of the host that has the machine now, or null when it is powered off.</param>
public sealed record MigrationFailed(string Machine, string Reason, string? RunsOn) : Fault
{
    protected override string Sentence => $"Virtual machine '{Machine}' was not migrated: {Reason.TrimEnd('.')}. {(RunsOn is null ? "It is powered off" : $"It runs on '{RunsOn}'")}.";
}

public sealed record GuestNotReachable(string Machine, string Reason) : Fault
{
    protected override string Sentence => $"The guest of '{Machine}' did not take the request: {Reason}.";
}

public sealed record HostNotConnected(string HostName, string Reason) : Fault
{
    protected override string Sentence => $"Host '{HostName}' is not connected: {Reason}.";
}

/// <summary>The host spoke, but not what the protocol allows.</summary>
public sealed record HostAnswerInvalid(string HostName, string Reason) : Fault
{
    protected override string Sentence => $"Host '{HostName}' gave an answer that cannot be used: {Reason}.";
}

public sealed record HostIdentityChanged(string HostName, string Expected, string Actual) : Fault
{
    protected override string Sentence => $"The certificate of host '{HostName}' has fingerprint {Actual}, expected {Expected}: it is not the host that was joined, or somebody is in between.";
}

public sealed record HostOwnedByAnotherCenter(string HostName, string Owner) : Fault
{
    protected override string Sentence => $"Host '{HostName}' already belongs to center {Owner}; remove it there first, or join it with force.";
}

public sealed record HostJoinRefused(string HostName, string Reason) : Fault
{
    protected override string Sentence => $"Host '{HostName}' refused to join: {Reason}.";
}

public sealed record TaskAlreadyEnded(string Task, string State) : Fault
{
    protected override string Sentence => $"Task {Task} has already ended ({State}); there is nothing to cancel.";
}

public sealed record NotCancellable(string Task, string Reason) : Fault
{
    protected override string Sentence => $"Task {Task} cannot be cancelled: {Reason}.";
}

/// <summary>The work was cut off by a restart or a lost connection.</summary>
public sealed record Interrupted(string What, string Outcome) : Fault
{
    protected override string Sentence => $"{What} was interrupted: {Outcome}.";
}

/// <summary>The other side is older (or configured without it) and does not know this.</summary>
public sealed record Unsupported(string By, string What) : Fault
{
    protected override string Sentence => $"{By} does not support {What}.";
}

/// <summary>QEMU, the kernel or the storage refused, with the original text.</summary>
public sealed record HostOperationFailed(string Action, string Cause) : Fault
{
    protected override string Sentence => $"{Action} failed: {Cause}.";
}

/// <summary>A bug of ours: the invariant that broke is in the log.</summary>
public sealed record InternalError(string Reference) : Fault
{
    protected override string Sentence => $"An internal error occurred (reference {Reference}); the log has the details.";
}
