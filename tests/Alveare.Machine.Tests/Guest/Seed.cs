using System.Diagnostics;

namespace Alveare.Machine.Tests.Guest;

/// <summary>A NoCloud seed written by hand with mtools, as another tool would write it.</summary>
internal static class Seed
{
    public const string Mac = "52:54:00:12:34:56";

    /// <summary>Writes the seed of one instance: its name, a static address for <see cref="Mac"/>, a key, a command that leaves a trace.</summary>
    public static void Write(string path, string instance, string name, string address)
    {
        var files = Directory.CreateTempSubdirectory("alv-seed-");
        try
        {
            Save("meta-data", $"instance-id: {instance}\nlocal-hostname: {name}\n");
            Save("user-data", $"#cloud-config\nssh_authorized_keys: [\"ssh-ed25519 AAAA test\"]\nruncmd:\n- echo {instance} >>/root/ran\n- [touch, \"/root/two words\"]\n");
            Save("network-config", $"version: 2\nethernets:\n  nic0:\n    match:\n      macaddress: \"{Mac}\"\n    addresses:\n    - {address}\n");
            Run("mformat", "-C", "-i", path, "-f", "1440", "-v", "CIDATA", "::");
            foreach (var file in files.EnumerateFiles())
                Run("mcopy", "-i", path, file.FullName, $"::{file.Name}");
        }
        finally
        {
            files.Delete(recursive: true);
        }

        void Save(string file, string text) => File.WriteAllText(Path.Combine(files.FullName, file), text);
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }
}
