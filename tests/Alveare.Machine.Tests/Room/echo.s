# The guest of EchoGuest.cs. Assembled with:
#   as --32 echo.s -o echo.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary echo.o -o echo.bin
# It drives a virtio network card by its legacy interface (virtio 1.1, 4.1.4.8): one receive queue that it looks at with every tick of the
# clock, and one send queue that holds one frame at a time. How long the queues are the card says (256, and 1024 to receive in QEMU 10). Offsets into a frame begin with the 10 bytes of the virtio header.
.code16
.globl _start
_start:
  cli
  xorw %ax,%ax
  movw %ax,%ds
  movw %ax,%ss
  movw $0x7c00,%sp
  sti
  # the next two sectors, to where the first one ends
  movw $packet,%si
  movw $0x4200,%ax
  int $0x13
  jmp main
  .balign 4
packet:
  .byte 16,0
  .word 2
  .word 0x7e00,0
  .quad 1
  .org 510
  .word 0xaa55
main:
  # the first virtio network card (1af4:1000), its I/O range, and leave for both that and DMA
  movw $0xb102,%ax
  movw $0x1000,%cx
  movw $0x1af4,%dx
  xorw %si,%si
  int $0x1a
  movw $0xb10a,%ax
  movw $0x10,%di
  int $0x1a
  andw $0xfffc,%cx
  movw %cx,io
  movw $0xb10c,%ax
  movw $4,%di
  movw $7,%cx
  int $0x1a
  # reset, then driver found, no feature taken
  movb $0,%al
  call status
  movb $3,%al
  call status
  movw $4,%dx
  call port
  xorl %eax,%eax
  outl %eax,%dx
  # receive queue at 64 KiB, send queue at 96 KiB; behind the descriptors of each, its two rings, 4 KiB apart
  xorw %ax,%ax
  movl $0x10,%ebx
  call queue
  movw %ax,mask
  decw mask
  addw $0x1000,%ax
  movw %ax,received
  movw $1,%ax
  movl $0x18,%ebx
  call queue
  addw $0x1800,%ax
  movw %ax,sending
  movb $7,%al
  call status
  # its address; the last byte of it is the last one of ours
  movw $20,%dx
  call port
  movw $mac,%di
  movw $6,%cx
read:
  inb %dx,%al
  movb %al,(%di)
  incw %dx
  incw %di
  loop read
  movb mac+5,%al
  movb %al,ip+3
  # sixteen buffers of 2 KiB from 128 KiB on, all given to the card
  xorw %cx,%cx
give:
  movw $0x1000,%ax
  movw %ax,%es
  movw %cx,%bx
  shlw $4,%bx
  movzwl %cx,%eax
  shll $11,%eax
  addl $0x20000,%eax
  movl %eax,%es:(%bx)
  movl $0x800,%es:8(%bx)
  movl $2,%es:12(%bx)
  movw received,%es
  movw %cx,%bx
  call recycle
  incw %cx
  cmpw $16,%cx
  jb give
  movw $said,%si
say:
  lodsb
  testb %al,%al
  jz wait
  call send
  jmp say
wait:
  movw last,%bx
  cmpw %es:0x1002,%bx
  jne frame
  sti
  hlt
  jmp wait
frame:
  incw last
  andw mask,%bx
  shlw $3,%bx
  movl %es:0x1008(%bx),%ebp
  movw %es:0x1004(%bx),%bx
  movw %bx,%ax
  shlw $7,%ax
  addw $0x2000,%ax
  movw %ax,%fs
  movl ip,%edx
  cmpw $0x0608,%fs:22
  je arp
  cmpw $0x0008,%fs:22
  jne done
  # an echo request to us becomes its reply
  cmpb $1,%fs:33
  jne done
  cmpb $8,%fs:44
  jne done
  cmpl %fs:40,%edx
  jne done
  movl %fs:36,%eax
  movl %eax,%fs:40
  movl %edx,%fs:36
  movb $0,%fs:44
  addw $8,%fs:46
  adcw $0,%fs:46
  jmp answer
arp:
  # a question for our address becomes its answer
  cmpw $0x0100,%fs:30
  jne done
  cmpl %fs:48,%edx
  jne done
  movw $0x0200,%fs:30
  movl %fs:32,%eax
  movl %eax,%fs:42
  movw %fs:36,%ax
  movw %ax,%fs:46
  movl %fs:38,%eax
  movl %eax,%fs:48
  movl mac,%eax
  movl %eax,%fs:32
  movw mac+4,%ax
  movw %ax,%fs:36
  movl %edx,%fs:38
answer:
  movl %fs:16,%eax
  movl %eax,%fs:10
  movw %fs:20,%ax
  movw %ax,%fs:14
  movl mac,%eax
  movl %eax,%fs:16
  movw mac+4,%ax
  movw %ax,%fs:20
  xorl %eax,%eax
  movl %eax,%fs:0
  movl %eax,%fs:4
  movw %ax,%fs:8
  # the buffer goes out as it came in
  movw $0x1800,%ax
  movw %ax,%gs
  movw %fs,%ax
  movzwl %ax,%eax
  shll $4,%eax
  movl %eax,%gs:0
  movl %ebp,%gs:8
  movl $0,%gs:12
  movw sending,%gs
  incw %gs:2
  movw $1,%ax
  call notify
sent:
  movw %gs:2,%ax
  cmpw %gs:0x1002,%ax
  jne sent
done:
  call recycle
  jmp wait
# gives receive buffer bx to the card
recycle:
  movw %es:2,%si
  andw mask,%si
  addw %si,%si
  movw %bx,%es:4(%si)
  incw %es:2
  xorw %ax,%ax
notify:
  movw $16,%dx
  call port
  outw %ax,%dx
  ret
# puts queue ax at page ebx; its length is in ax
queue:
  movw $14,%dx
  call port
  outw %ax,%dx
  movw $12,%dx
  call port
  inw %dx,%ax
  pushw %ax
  movw $8,%dx
  call port
  movl %ebx,%eax
  outl %eax,%dx
  popw %ax
  ret
status:
  movw $18,%dx
  call port
  outb %al,%dx
  ret
port:
  addw io,%dx
  ret
send:
  pushw %ax
  movw $0x3fd,%dx
full:
  inb %dx,%al
  testb $0x20,%al
  jz full
  popw %ax
  movw $0x3f8,%dx
  outb %al,%dx
  ret
io: .word 0
mask: .word 0
received: .word 0
sending: .word 0
last: .word 0
mac: .space 6
ip: .byte 192,0,2,0
said: .asciz "up\n"
  .org 1536
