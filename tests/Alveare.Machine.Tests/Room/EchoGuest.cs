using Alveare.Model.Machines;

namespace Alveare.Machine.Tests.Room;

/// <summary>A guest of three sectors with a network card that proves that frames reach it: it answers ARP and ping for 192.0.2.N, N being
/// the last byte of its card's address. It says "up" on its serial line when it listens.</summary>
internal static class EchoGuest
{
    public const int DiskSize = 1 << 20;

    // From echo.s: the boot sector, and what it loads behind itself.
    private static readonly byte[] Boot = Convert.FromBase64String(
        "+jHAjtiO0LwAfPu+GHy4AELNE+nqAWaQEAACAAB+AAAB");

    private static readonly byte[] Main = Convert.FromBase64String(
        "uAKxuQAQuvQaMfbNGrgKsb8QAM0ag+H8iQ5RgLgMsb8EALkHAM0asADoCQKwA+gEAroEAOgGAmYxwGbvMcBmuxAAAADo2wG4AQBmuxgAAADozwGwB+jdAboU"
        + "AOjfAb9VgLkGAOyIBUJH4vmgWoCiXoC4ABCOwLgAGI7oMcmJy8HjBGYPt8FmweALZgUAAAIAJmaJByZmx0cIAAgAACZmx0cMAgAAAInL6FgBQYP5EHLMvl+A"
        + "rITAdAXohgHr9oseU4AmOx4CIHUE+/Tr8f8GU4CB4/8AweMDJmaLrwggJoufBCCJ2MHgBwUAII7gZosWW4BkgT4WAAgGdExkgz4WAAgPhfgAZIA+IQABD4Xu"
        + "AGSAPiwACA+F5ABkZjsWKAAPhdoAZGahJABkZqMoAGRmiRYkAGTGBiwAAGSDBi4ACGSDFi4AAOtOZIE+HgAAAQ+FqwBkZjsWMAAPhaEAZMcGHgAAAmRmoSAA"
        + "ZGajKgBkoSQAZKMuAGRmoSYAZGajMABmoVWAZGajIAChWYBkoyQAZGaJFiYAZGahEABkZqMKAGShFABkow4AZqFVgGRmoxAAoVmAZKMUAGYxwGRmowAAZGaj"
        + "BABkowgAjOBmD7fAZsHgBGVmowAAZWaJLggAZWbHBgwAAAAAAGX/BgIQuAEA6CgAZaECEGU7BgIgdfXoAwDpu/4mizYCEIHm/wAB9iaJnAQQJv8GAhAxwLoQ"
        + "AOgdAO/Dug4A6BUA77oIAOgOAGaJ2Gbvw7oSAOgCAO7DAxZRgMNQuv0D7KggdPtYuvgD7sMAAAAAAAAAAAAAwAACAHVwCg==");

    /// <summary>The card of the guest with address 192.0.2.<paramref name="number"/>.</summary>
    public static NicSpec Nic(byte number, string portGroup) => new($"52:54:00:00:00:{number:x2}", portGroup);

    /// <summary>Writes the guest as a raw disk image.</summary>
    public static void WriteDisk(string path)
    {
        var disk = new byte[DiskSize];
        Boot.CopyTo(disk, 0);
        disk[510] = 0x55;
        disk[511] = 0xaa;
        Main.CopyTo(disk, 512);
        File.WriteAllBytes(path, disk);
    }
}
