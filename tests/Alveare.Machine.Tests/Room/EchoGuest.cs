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
        "uAKxuQAQuvQaMfbNGrgKsb8QAM0ag+H8iQ50gLgMsb8EALkHAM0asADoLAKwA+gnAroEAOgpAmYxwGbvMcBmuxAAAADo9QGjdoD/DnaABQAQo3iAuAEAZrsY" +
        "AAAA6NwBBQAYo3qAsAfo7QG6FADo7wG/foC5BgDsiAVCR+L5oIOAooeAMcm4ABCOwInLweMEZg+3wWbB4AtmBQAAAgAmZokHJmbHRwgACAAAJmbHRwwCAAAA" +
        "jgZ4gInL6GEBQYP5EHLDvoiArITAdAXolwHr9osefIAmOx4CEHUE+/Tr8f8GfIAjHnaAweMDJmaLrwgQJoufBBCJ2MHgBwUAII7gZosWhIBkgT4WAAgGdExk" +
        "gz4WAAgPhQEBZIA+IQABD4X3AGSAPiwACA+F7QBkZjsWKAAPheMAZGahJABkZqMoAGRmiRYkAGTGBiwAAGSDBi4ACGSDFi4AAOtOZIE+HgAAAQ+FtABkZjsW" +
        "MAAPhaoAZMcGHgAAAmRmoSAAZGajKgBkoSQAZKMuAGRmoSYAZGajMABmoX6AZGajIAChgoBkoyQAZGaJFiYAZGahEABkZqMKAGShFABkow4AZqF+gGRmoxAA" +
        "oYKAZKMUAGYxwGRmowAAZGajBABkowgAuAAYjuiM4GYPt8BmweAEZWajAABlZokuCABlZscGDAAAAAAAji56gGX/BgIAuAEA6CcAZaECAGU7BgIQdfXoAwDp" +
        "sv4mizYCACM2doAB9iaJXAQm/wYCADHAuhAA6CYA78O6DgDoHgDvugwA6BcA7VC6CADoDwBmidhm71jDuhIA6AIA7sMDFnSAw1C6/QPsqCB0+1i6+APuwwAA" +
        "AAAAAAAAAAAAAAAAAADAAAIAdXAK");

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
