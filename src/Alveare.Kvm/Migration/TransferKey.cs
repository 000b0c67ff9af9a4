using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Migration;

/// <summary>The TLS credentials of one encrypted migration: given to its QEMU before, taken away after.</summary>
public static class TransferKey
{
    // A QEMU that serves makes a group of its own for each credentials object unless it finds one in a file: a third of a second or more.
    // This is the group ffdhe2048 of RFC 7919, appendix A.1.
    private const string DiffieHellmanGroup =
        """
        -----BEGIN DH PARAMETERS-----
        MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
        +8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
        87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
        YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
        7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
        ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
        -----END DH PARAMETERS-----

        """;

    // With a pre-shared key GnuTLS takes ChaCha20 before AES-128, in plain C code: several times slower than the processor's own AES, and
    // the memory's copying waits for it. It stays as the last choice.
    private const string Priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CHACHA20-POLY1305:+CHACHA20-POLY1305";

    /// <summary>Lets QEMU read the key; answers the name of the credentials.</summary>
    public static async Task<string> AddAsync(MachineRun run, MigrationRecord migration, string key, QemuUser user)
    {
        foreach (var path in await WriteAsync(run.Directory.Keys, key))
            user.LetRead(path);
        var name = NameOf(migration);
        await run.Qmp.ExecuteAsync("object-add", Credentials(name, run.Directory.Keys, migration.Role));
        return name;
    }

    /// <summary>Writes what the credentials are read from, for the owner's eyes only; answers every path made.</summary>
    public static async Task<IReadOnlyList<string>> WriteAsync(string directory, string key)
    {
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return
        [
            await WriteFileAsync(Path.Combine(directory, "keys.psk"), $"qemu:{key}\n"),
            await WriteFileAsync(Path.Combine(directory, "dh-params.pem"), DiffieHellmanGroup),
            directory,
        ];
    }

    /// <summary>The arguments of <c>object-add</c>.</summary>
    public static Dictionary<string, object> Credentials(string name, string directory, MigrationRole role) => new()
    {
        ["qom-type"] = "tls-creds-psk",
        ["id"] = name,
        ["dir"] = directory,
        ["endpoint"] = role == MigrationRole.Destination ? "server" : "client",
        ["priority"] = Priority,
    };

    /// <summary>Removes the key of a migration that is over; nothing where QEMU has none.</summary>
    public static async Task RemoveAsync(MachineRun run, MigrationRecord migration)
    {
        if (!Directory.Exists(run.Directory.Keys))
            return;
        await run.Qmp.ExecuteAsync("migrate-set-parameters", new Dictionary<string, object> { ["tls-creds"] = "" });
        try
        {
            await run.Qmp.ExecuteAsync("object-del", new { id = NameOf(migration) });
        }
        catch (QmpException)
        {
            // It never took it.
        }

        Directory.Delete(run.Directory.Keys, recursive: true);
    }

    private static string NameOf(MigrationRecord migration) => $"key-{migration.Id:N}";

    private static async Task<string> WriteFileAsync(string file, string text)
    {
        await using var stream = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        await using var writer = new StreamWriter(stream);
        await writer.WriteAsync(text);
        return file;
    }
}
