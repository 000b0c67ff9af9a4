namespace Alveare.Machine.Tests.Room;

/// <summary>A guest of one boot sector that reads the same 4 KiB of its disk, one request after the other, as fast as it can.</summary>
internal static class ReadingGuest
{
    public const int RequestSize = 4096;

    // Assembled with: as --32 read.s -o read.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary read.o
    //
    //     .code16
    //     .globl _start
    //     _start:
    //       cli
    //       xorw %ax,%ax
    //       movw %ax,%ds
    //       movw %ax,%ss
    //       movw $0x7c00,%sp
    //       movb %dl,drive
    //       sti
    //     again:
    //       movw $packet,%si
    //       movw $0x4200,%ax
    //       movb drive,%dl
    //       int $0x13
    //       jmp again
    //     drive: .byte 0
    //     .org 48
    //     packet:
    //       .byte 16,0
    //       .word 8
    //       .word 0x8000,0
    //       .quad 8
    //     .org 510
    //     .word 0xaa55
    private static readonly byte[] Code = Convert.FromBase64String(
        "+jHAjtiO0LwAfIgWHXz7vjB8uABCihYdfM0T6/IAAAAAAAAAAAAAAAAAAAAAAAAAEAAIAACAAAAIAAAAAAAAAA==");

    /// <summary>Writes the guest as a raw disk image.</summary>
    public static void WriteDisk(string path)
    {
        var disk = new byte[TickingGuest.DiskSize];
        // Not zeroes, or a file system may have nothing to read for them.
        Array.Fill(disk, (byte)1);
        disk.AsSpan(0, 510).Clear();
        Code.CopyTo(disk, 0);
        disk[510] = 0x55;
        disk[511] = 0xaa;
        File.WriteAllBytes(path, disk);
    }
}
