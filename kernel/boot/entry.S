/* SPDX-License-Identifier: MIT */
/*
 * Where loaders enter: PVH (EBX = hvm_start_info; by way of pvh_guard.S) or multiboot2 (EAX = magic, EBX = information),
 * both in 32-bit protected mode, flat, paging off. From here to boot_main(): clear .bss, check for
 * long mode, map the first 4 GiB to itself with 2 MiB pages, enter 64-bit mode.
 *
 * The image lies where it was linked to be loaded, so %ebp = BOOT_PHYS plus a distance from the
 * image's first byte is an address; no 32-bit absolute relocation is needed.
 */
#include "asm.h"

#define MB2_MAGIC      0xe85250d6
#define MB2_BOOT_MAGIC 0x36d76289

#define FROM_IMAGE(sym) ((sym) - boot_mb2_header)
#define LOAD_ADDR(sym)  ((sym) - boot_mb2_header + BOOT_PHYS)

	.section .boot.text, "ax", @progbits
	.code32
	.balign 8
	.globl boot_mb2_header
boot_mb2_header:
	.long MB2_MAGIC, 0, mb2_header_end - boot_mb2_header
	.long -(MB2_MAGIC + 0 + (mb2_header_end - boot_mb2_header)) & 0xffffffff
	/* Address tag: loads the file as one piece, whatever its ELF type. */
	.balign 8
	.word 2, 0
	.long 24
	.long BOOT_PHYS, BOOT_PHYS
	.long LOAD_ADDR(boot_load_end)
	.long LOAD_ADDR(kernel_image_end)
	/* Entry address. */
	.balign 8
	.word 3, 0
	.long 12
	.long BOOT_PHYS + (boot_mb2_entry - boot_mb2_header)
	/* Modules on page boundaries. */
	.balign 8
	.word 6, 0
	.long 8
	.balign 8
	.word 0, 0
	.long 8
mb2_header_end:

boot_mb2_entry:
	movl $BOOT_BY_MULTIBOOT2, %edx
	cmpl $MB2_BOOT_MAGIC, %eax
	je boot_start32
	movl $BOOT_PHYS, %ebp
	movl $FROM_IMAGE(msg_loader), %esi
	jmp boot_refuse32

	.globl boot_pvh_entry
boot_pvh_entry:
	movl $BOOT_BY_PVH, %edx

/* EBX: the loader's information. EDX: which loader. They stay in ESI and the stack. */
boot_start32:
	cli
	cld
	movl $BOOT_PHYS, %ebp
	movl %ebx, %esi

	leal FROM_IMAGE(boot_load_end)(%ebp), %edi
	leal FROM_IMAGE(kernel_image_end)(%ebp), %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl

	leal FROM_IMAGE(boot_stack_top)(%ebp), %esp
	pushl %edx

	/* CPUID is there if EFLAGS.ID can be changed; long mode is bit 29 of leaf 0x80000001. */
	pushfl
	popl %eax
	movl %eax, %ecx
	xorl $0x200000, %eax
	pushl %eax
	popfl
	pushfl
	popl %eax
	xorl %ecx, %eax
	testl $0x200000, %eax
	jz no_long_mode
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	testl $(1 << 29), %edx
	jz no_long_mode
	movl %edx, %ebx

	/* Identity tables: one top entry, four directories, 2048 pages of 2 MiB. */
	leal FROM_IMAGE(boot_early_root)(%ebp), %edi
	leal (4096 + 3)(%edi), %eax
	movl %eax, (%edi)
	leal 4096(%edi), %edi
	movl $4, %ecx
1:	addl $4096, %eax
	movl %eax, (%edi)
	addl $8, %edi
	loop 1b
	leal (FROM_IMAGE(boot_early_root) + 2 * 4096)(%ebp), %edi
	movl $0x83, %eax
	movl $2048, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b

	movl $CR4_PAE, %eax
	movl %eax, %cr4
	leal FROM_IMAGE(boot_early_root)(%ebp), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	xorl %edx, %edx
	movl $EFER_LME, %eax
	testl $(1 << 20), %ebx
	jz 1f
	orl $EFER_NXE, %eax
1:	wrmsr
	popl %edi
	movl $CR0_BOOT, %eax
	movl %eax, %cr0

	leal FROM_IMAGE(boot_gdt)(%ebp), %eax
	pushl %eax
	pushw $(BOOT_GDT_BYTES - 1)
	lgdt (%esp)
	addl $6, %esp
	pushl $BOOT_CS
	leal FROM_IMAGE(boot_start64)(%ebp), %eax
	pushl %eax
	lret

no_long_mode:
	movl $FROM_IMAGE(msg_long_mode), %esi
/* ESI: an image offset. */
boot_refuse32:
	addl %ebp, %esi
	BOOT_REFUSE32

msg_long_mode:
	.asciz "boot: this CPU has no 64-bit mode (CPUID 0x80000001 EDX bit 29)\r\n"
msg_loader:
	.asciz "boot: the loader is neither PVH nor multiboot2\r\n"

	.balign 16
	.code64
boot_start64:
	movl $BOOT_DS, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	lldt %ax
	leaq boot_stack_top(%rip), %rsp
	movl %edi, %edi
	movl %esi, %esi
	xorl %ebp, %ebp
	pushq %rbp
	pushq %rbp
	call boot_main
	ud2

/*
 * noreturn void boot_enter(uint64_t delta, phys_t root, struct boot_info *bi, unsigned levels)
 * The early tables map the image at its final place too by now: jump there, then leave them.
 * delta: final address minus present one. bi: at its final address.
 *
 * CR4.LA57 can be changed outside long mode only. So on the way to five levels this leaves paging,
 * by way of 32-bit code at its load address, and comes back on boot_early_root5, which maps what
 * the early root does. The upper halves of registers are lost meanwhile.
 */
	.text
	.globl boot_enter
boot_enter:
	cmpl $5, %ecx
	jne boot_cross
	pushq %rdx
	pushq %rsi
	pushq %rdi
	leaq boot_early_root5(%rip), %rbx
	leaq boot_enter64(%rip), %rdi
	leaq boot_enter32(%rip), %rax
	pushq $BOOT_CS32
	pushq %rax
	lretq

	.code32
/* EBX: the five-level root. EDI: where 64-bit code goes on. ESP: the boot stack. */
boot_enter32:
	movl %cr0, %eax
	andl $~CR0_PG, %eax
	movl %eax, %cr0
	movl %cr4, %eax
	orl $CR4_LA57, %eax
	movl %eax, %cr4
	movl %ebx, %cr3
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0 /* EFER.LME is still set: long mode, compatible */
	pushl $BOOT_CS
	pushl %edi
	lret

	.code64
boot_enter64:
	movl %esp, %esp
	popq %rdi
	popq %rsi
	popq %rdx
boot_cross:
	leaq 1f(%rip), %rax
	addq %rdi, %rax
	jmp *%rax
1:	movq %rsi, %cr3
	leaq boot_stack_top(%rip), %rsp
	leaq boot_gdt(%rip), %rax
	pushq %rax
	pushw $(BOOT_GDT_BYTES - 1)
	lgdt (%rsp)
	leaq boot_stack_top(%rip), %rsp
	xorl %ebp, %ebp
	movq %rdx, %rdi
	pushq %rbp
	pushq %rbp
	call boot_arrived
	ud2

	.section .rodata
	.balign 16
boot_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff /* BOOT_CS32 */
	.quad 0x00af9b000000ffff /* BOOT_CS, accessed already: the GDT is never written */
	.quad 0x00cf93000000ffff /* BOOT_DS */

	/* First in .bss. The page below the stack is left unmapped (tables.c). */
	.section .bss.boot_pages, "aw", @nobits
	.balign 4096
	.globl boot_stack_guard, boot_stack_top, boot_early_root, boot_early_root5
boot_stack_guard:
	.skip 4096
	.skip BOOT_STACK_BYTES
boot_stack_top:
boot_early_root:
	.skip 6 * 4096
boot_early_root5:
	.skip 4096

	.section .note.GNU-stack, "", @progbits
