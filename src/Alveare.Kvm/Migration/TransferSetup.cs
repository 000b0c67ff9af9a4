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
        var encryption = settings.TlsKey is { } key ? await AddKeyAsync(run, migration, key, user) : "";
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

    /// <summary>Removes the key of an encrypted migration that is over.</summary>
    public static async Task RemoveKeyAsync(MachineRun run, MigrationRecord migration)
    {
        if (migration.Settings.TlsKey is null)
            return;
        await run.Qmp.ExecuteAsync("migrate-set-parameters", new Dictionary<string, object> { ["tls-creds"] = "" });
        await run.Qmp.ExecuteAsync("object-del", new { id = KeyId(migration) });
        Directory.Delete(run.Directory.Keys, recursive: true);
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

    private static async Task<string> AddKeyAsync(MachineRun run, MigrationRecord migration, string key, QemuUser user)
    {
        var directory = run.Directory.Keys;
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var file = Path.Combine(directory, "keys.psk");
        await using (var stream = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        await using (var writer = new StreamWriter(stream))
        {
            await writer.WriteAsync($"qemu:{key}\n");
        }

        user.Own(file);
        user.Own(directory);
        var id = KeyId(migration);
        await run.Qmp.ExecuteAsync("object-add", new Dictionary<string, object>
        {
            ["qom-type"] = "tls-creds-psk",
            ["id"] = id,
            ["dir"] = directory,
            ["endpoint"] = migration.Role == MigrationRole.Destination ? "server" : "client",
        });
        return id;
    }

    private static string KeyId(MigrationRecord migration) => $"key-{migration.Id:N}";
}
