using System.Globalization;

namespace Alveare.Machine.Tests.Room;

/// <summary>A guest of one boot sector that proves where and whether it runs: it counts up with every tick of its clock (18 a second),
/// writes the count to its serial line and to the second sector of its disk, and dirties 448 KiB of memory each time. It powers itself
/// off when it reads a 'p' from its serial line, and resets on an 'r'.</summary>
internal static class TickingGuest
{
    public const int DiskSize = 1 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    // Assembled with: as --32 tick.s -o tick.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary tick.o
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
    //     tick:
    //       incl counter
    //       # the counter as eight hexadecimal digits and a line feed to COM1
    //       movl counter,%ebx
    //       movw $8,%cx
    //     digit:
    //       roll $4,%ebx
    //       movb %bl,%al
    //       andb $15,%al
    //       addb $'0',%al
    //       cmpb $'9',%al
    //       jbe put
    //       addb $39,%al
    //     put:
    //       call send
    //       loop digit
    //       movb $10,%al
    //       call send
    //       # the counter into the first word of the second sector
    //       movw $packet,%si
    //       movw $0x4300,%ax
    //       movb drive,%dl
    //       int $0x13
    //       # one word of every page from 64 KiB to 512 KiB
    //       movw $0x1000,%ax
    //     page:
    //       movw %ax,%es
    //       incw %es:0
    //       addw $0x100,%ax
    //       cmpw $0x8000,%ax
    //       jb page
    //       # a command from COM1: p powers off, r resets
    //       movw $0x3fd,%dx
    //       inb %dx,%al
    //       testb $1,%al
    //       jz idle
    //       movw $0x3f8,%dx
    //       inb %dx,%al
    //       cmpb $'p',%al
    //       je off
    //       cmpb $'r',%al
    //       je reset
    //     idle:
    //       sti
    //       hlt
    //       jmp tick
    //     off:
    //       movw $0x604,%dx
    //       movw $0x2000,%ax
    //       outw %ax,%dx
    //       jmp idle
    //     reset:
    //       movw $0xcf9,%dx
    //       movb $6,%al
    //       outb %al,%dx
    //       jmp idle
    //     send:
    //       pushw %ax
    //       movw $0x3fd,%dx
    //     wait:
    //       inb %dx,%al
    //       testb $0x20,%al
    //       jz wait
    //       popw %ax
    //       movw $0x3f8,%dx
    //       outb %al,%dx
    //       ret
    //     drive: .byte 0
    //     .balign 4
    //     packet:
    //       .byte 16,0
    //       .word 1
    //       .word counter,0
    //       .quad 1
    //     counter: .long 0
    //     .org 510
    //     .word 0xaa55
    private static readonly byte[] Code = Convert.FromBase64String(
        "+jHAjtiO0LwAfIgWjHz7Zv8GoHxmix6gfLkIAGbBwwSI2CQPBDA8OXYCBCfoTgDi67AK6EcAvpB8" +
        "uABDihaMfM0TuAAQjsAm/wYAAAUAAT0AgHLxuv0D7KgBdAy6+APsPHB0CDxydA379OujugQGuAAg" +
        "7+vzuvkMsAbu6+tQuv0D7KggdPtYuvgD7sMAjXQAEAABAKB8AAAB");

    /// <summary>Writes the guest as a raw disk image.</summary>
    public static void WriteDisk(string path)
    {
        var disk = new byte[DiskSize];
        Code.CopyTo(disk, 0);
        disk[510] = 0x55;
        disk[511] = 0xaa;
        File.WriteAllBytes(path, disk);
    }

    /// <summary>The count in the disk's second sector.</summary>
    public static uint ReadCount(string disk)
    {
        using var file = new FileStream(disk, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Seek(512, SeekOrigin.Begin);
        Span<byte> count = stackalloc byte[4];
        file.ReadExactly(count);
        return BitConverter.ToUInt32(count);
    }

    /// <summary>Reads counts of a serial line until one is as wanted.</summary>
    public static async Task CountsUntilAsync(StreamReader serial, Func<uint, bool> isWanted, CancellationToken cancellation)
    {
        while (!isWanted(await NextCountAsync(serial, cancellation)))
            continue;
    }

    /// <summary>The next whole count on a serial line.</summary>
    public static async Task<uint> NextCountAsync(StreamReader serial, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        while (await serial.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.Length >= 8 && uint.TryParse(line.AsSpan(line.Length - 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var count))
                return count;
        }

        throw new EndOfStreamException("The serial line ended.");
    }
}
