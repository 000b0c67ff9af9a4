# The guest that proves an accelerator: what every kernel of today does in its first milliseconds. It leaves real mode by way of a
# multiboot loader, asks cpuid, turns on paging and long mode, takes a page fault and a breakpoint, computes in vector registers, reads
# and writes model specific registers, and sleeps until its local APIC's timer has woken it 20 times. Then it says 0x2a to QEMU's
# isa-debug-exit at port 0xf4, which ends QEMU with status 85. Whatever is wrong ends in a triple fault, another status or silence.
#
# as --64 ProofGuest.s -o p.o && ld -m elf_x86_64 -Ttext 0x100000 --oformat binary -e start p.o -o p.bin && base64 -w 0 p.bin

    .set tables, 0x200000           # page tables: one top, one third, four second level
    .set idt, 0x210000
    .set stack, 0x220000
    .set apic, 0xfee00000
    .set ticks_needed, 20

    .text
    .code32
header:
    .long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
    .long header, header, end, 0, start
    .globl start
start:
    cli
    cld
    movl $stack, %esp
    # long mode, or it is no 64-bit processor
    movl $0x80000001, %eax
    cpuid
    testl $0x20000000, %edx
    jz fail32
    # the first four GiB are mapped to themselves in pages of 2 MiB
    movl $tables, %edi
    xorl %eax, %eax
    movl $(6 * 1024), %ecx
    rep stosl
    movl $(tables + 0x1003), tables
    movl $(tables + 0x2003), %eax
    movl $(tables + 0x1000), %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 1b
    movl $0x83, %eax
    movl $(tables + 0x2000), %edi
    movl $2048, %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b
    movl $tables, %eax
    movl %eax, %cr3
    # PAE, OSFXSR, OSXMMEXCPT
    movl %cr4, %eax
    orl $0x620, %eax
    movl %eax, %cr4
    # EFER.LME
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    # paging, write protection, no emulation of the coprocessor
    movl %cr0, %eax
    andl $0xfffffffb, %eax
    orl $0x80010002, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $long
fail32:
    movb $1, %al
    outb %al, $0xf4
    hlt

    .code64
long:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $stack, %esp
    movl $3, %edi
    movl $on_breakpoint, %esi
    call gate
    movl $14, %edi
    movl $on_page_fault, %esi
    call gate
    movl $0x40, %edi
    movl $on_tick, %esi
    call gate
    lidt idt_pointer
    # exceptions
    int3
    cmpl $1, breakpoints
    jne fail
    movabsq $0x8000000000, %rbx
    movq (%rbx), %rax
    cmpl $1, page_faults
    jne fail
    # vector registers
    movl $6, %eax
    cvtsi2sd %eax, %xmm0
    movl $7, %eax
    cvtsi2sd %eax, %xmm1
    mulsd %xmm1, %xmm0
    cvtsd2si %xmm0, %eax
    cmpl $42, %eax
    jne fail
    # FS.base by its register, the time stamp counter
    movl $0xc0000100, %ecx
    movl $0x1234000, %eax
    xorl %edx, %edx
    wrmsr
    rdmsr
    cmpl $0x1234000, %eax
    jne fail
    rdtsc
    movl %eax, %r12d
    # the two old interrupt controllers off, the local one on
    movb $0xff, %al
    outb %al, $0x21
    outb %al, $0xa1
    movl $0x1b, %ecx
    rdmsr
    orl $0x800, %eax
    wrmsr
    movl $apic, %ebx
    movl $0x1ff, 0xf0(%rbx)
    movl $3, 0x3e0(%rbx)
    movl $0x20040, 0x320(%rbx)
    movl $100000, 0x380(%rbx)
sleep:
    sti
    hlt
    cmpl $ticks_needed, ticks
    jb sleep
    cli
    rdtsc
    cmpl %eax, %r12d
    je fail
    movb $0x2a, %al
    jmp say
fail:
    movb $2, %al
say:
    outb %al, $0xf4
    # QEMU 10 ends a little later than the guest's instruction
1:  hlt
    jmp 1b

# puts handler %esi into gate %edi
gate:
    shll $4, %edi
    addl $idt, %edi
    movl %esi, %eax
    andl $0xffff, %eax
    orl $0x80000, %eax
    movl %eax, (%rdi)
    andl $0xffff0000, %esi
    orl $0x8e00, %esi
    movl %esi, 4(%rdi)
    movq $0, 8(%rdi)
    ret

on_breakpoint:
    incl breakpoints
    iretq

# leaves out the three bytes of the instruction that faulted
on_page_fault:
    incl page_faults
    addq $8, %rsp
    addq $3, (%rsp)
    iretq

on_tick:
    incl ticks
    movl $0, 0xb0(%rbx)
    iretq

    .balign 8
gdt:
    .quad 0, 0x00af9a000000ffff
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt
idt_pointer:
    .word 0x41 * 16 - 1
    .quad idt
    .balign 4
breakpoints: .long 0
page_faults: .long 0
ticks: .long 0
end:
