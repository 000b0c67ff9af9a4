using System.Buffers.Binary;

namespace Alveare.Machine.Tests.Room;

/// <summary>A guest of one boot sector that writes to every page of its memory, again and again.</summary>
internal static class FillingGuest
{
    // Where the end of memory stands in the code.
    private const int EndAt = 0x30;

    // Assembled with: as --32 fill.s -o fill.o && objcopy -O binary -j .text fill.o
    //
    //     .code16
    //     start:
    //       cli
    //       xorw %ax,%ax
    //       movw %ax,%ds
    //       lgdtl 0x7c00+gdtr-start
    //       movl %cr0,%eax
    //       orb $1,%al
    //       movl %eax,%cr0
    //       ljmpl $8,$0x7c00+protected-start
    //     .code32
    //     protected:
    //       movw $16,%ax
    //       movw %ax,%ds
    //     again:
    //       movl $0x100000,%edi
    //     next:
    //       movl %edi,(%edi)
    //       addl $4096,%edi
    //       cmpl $0x11223344,%edi
    //       jb next
    //       jmp again
    //     .align 8
    //     gdt:
    //       .quad 0,0x00cf9a000000ffff,0x00cf92000000ffff
    //     gdtr:
    //       .word 23
    //       .long 0x7c00+gdt-start
    private static readonly byte[] Code = Convert.FromBase64String(
        "+jHAjthmDwEWUHwPIMAMAQ8iwGbqG3wAAAgAZrgQAI7YvwAAEACJP4HHABAAAIH/RDMiEXLw6+kAAAAAAAAAAP//AAAAms8A//8AAACSzwAXADh8AAA=");

    /// <summary>Writes the guest as a raw disk image for a machine of so many bytes of memory.</summary>
    public static void WriteDisk(string path, long memory)
    {
        var sector = new byte[512];
        Code.CopyTo(sector, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(EndAt), (uint)memory);
        (sector[510], sector[511]) = (0x55, 0xaa);
        using var disk = File.OpenWrite(path);
        disk.Write(sector);
    }
}
