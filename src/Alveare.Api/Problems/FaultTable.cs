using System.Collections.Frozen;
using Alveare.Model.Faults;

namespace Alveare.Api.Problems;

/// <summary>The one table from faults to HTTP status codes.</summary>
public static class FaultTable
{
    private static readonly FrozenDictionary<Type, int> Statuses = new Dictionary<Type, int>
    {
        [typeof(InvalidName)] = 400,
        [typeof(InvalidArgument)] = 400,
        [typeof(InvalidPath)] = 400,
        [typeof(NotAuthenticated)] = 401,
        [typeof(LoginFailed)] = 401,
        [typeof(NoPermission)] = 403,
        [typeof(NotFound)] = 404,
        [typeof(FileNotFoundFault)] = 404,
        [typeof(AmbiguousName)] = 409,
        [typeof(DuplicateName)] = 409,
        [typeof(InvalidPowerState)] = 409,
        [typeof(InvalidState)] = 409,
        [typeof(ObjectInUse)] = 409,
        [typeof(NoHostFits)] = 409,
        [typeof(InsufficientMemory)] = 409,
        [typeof(InsufficientReservation)] = 409,
        [typeof(InsufficientPoolReservation)] = 409,
        [typeof(CpuIncompatible)] = 409,
        [typeof(HostBelowBaseline)] = 409,
        [typeof(RuleViolated)] = 409,
        [typeof(RuleConflict)] = 409,
        [typeof(StartsAfter)] = 409,
        [typeof(GroupLeftBehind)] = 409,
        [typeof(MachinesNotStarted)] = 409,
        [typeof(HostsLeftInMaintenance)] = 409,
        [typeof(HostNotEmptied)] = 409,
        [typeof(HostStaysOn)] = 409,
        [typeof(MachinesAboveBaseline)] = 409,
        [typeof(DatastoreNotAccessible)] = 409,
        [typeof(DatastoreIsAnother)] = 409,
        [typeof(NetworkNotAccessible)] = 409,
        [typeof(DeviceNotMovable)] = 409,
        [typeof(FileExists)] = 409,
        [typeof(FileLocked)] = 409,
        [typeof(MachineLocked)] = 409,
        [typeof(StaleEpoch)] = 409,
        [typeof(HostOwnedByAnotherCenter)] = 409,
        [typeof(TaskAlreadyEnded)] = 409,
        [typeof(NotCancellable)] = 409,
        [typeof(InvalidMachine)] = 422,
        [typeof(FileCorrupt)] = 422,
        [typeof(LoginThrottled)] = 429,
        [typeof(HostOperationFailed)] = 500,
        [typeof(InternalError)] = 500,
        [typeof(Unsupported)] = 501,
        [typeof(HostAnswerInvalid)] = 502,
        [typeof(HostIdentityChanged)] = 502,
        [typeof(HostJoinRefused)] = 502,
        [typeof(ControllerFailed)] = 502,
        [typeof(MachineDied)] = 502,
        [typeof(MachineStartFailed)] = 502,
        [typeof(MigrationFailed)] = 502,
        [typeof(HostNotConnected)] = 503,
        [typeof(Interrupted)] = 503,
        [typeof(GuestNotReachable)] = 504,
        [typeof(HostNotWoken)] = 504,
        [typeof(DatastoreFull)] = 507,
    }.ToFrozenDictionary();

    public static bool Knows(Type fault) => Statuses.ContainsKey(fault);

    /// <summary>The statuses that faults can have, each once, rising.</summary>
    public static IEnumerable<int> AllStatuses => Statuses.Values.Distinct().Order();

    public static int StatusOf(Fault fault) => Statuses[fault.GetType()];
}
