using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Migration;

/// <summary>Tells a QEMU how to migrate: the same settings at both ends.</summary>
public static class TransferSetup
{
    // "No limit" in QEMU's parameter, whose default of 128 MiB/s is slower than any link between servers.
    private const long Unlimited = 1L << 40;

    public static async Task ApplyAsync(MachineRun run, MigrationRecord migration, QemuUser user)
    {
        var settings = migration.Settings;
        await run.Qmp.ExecuteAsync("migrate-set-capabilities", new { capabilities = Capabilities(migration) });
        var encryption = settings.TlsKey is { } key ? await TransferKey.AddAsync(run, migration, key, user) : "";
        var parameters = new Dictionary<string, object>
        {
            ["tls-creds"] = encryption,
            ["max-bandwidth"] = settings.BandwidthLimit > 0 ? settings.BandwidthLimit : Unlimited,
            ["downtime-limit"] = (long)settings.MaxPause.TotalMilliseconds,
        };
        // QEMU would announce the guest when its memory has arrived. Whether it runs here the lock says later: MigrationEnd announces it then.
        parameters["announce-rounds"] = 0;
        if (settings.Channels > 0)
            parameters["multifd-channels"] = settings.Channels;
        await run.Qmp.ExecuteAsync("migrate-set-parameters", parameters);
    }

    private static object[] Capabilities(MigrationRecord migration)
    {
        var isDestination = migration.Role == MigrationRole.Destination;
        return
        [
            new { capability = "events", state = true },
            new { capability = "auto-converge", state = migration.Settings.AutoConverge && !isDestination },
            new { capability = "multifd", state = migration.Settings.Channels > 0 },
            // The destination must not touch the disks before it has won the lock.
            new { capability = "late-block-activate", state = isDestination },
        ];
    }
}
