/* SPDX-License-Identifier: MIT */
/* Constants that the boot code's C and assembly share. */
#ifndef BOOT_ASM_H
#define BOOT_ASM_H

#define BOOT_PHYS 0x200000 /* where the image is loaded: kernel.ld's VIRT_TO_LOAD */

#define BOOT_GUARD_PHYS 0x100000 /* pvh_guard.S */

#define BOOT_BY_PVH        1
#define BOOT_BY_MULTIBOOT2 2

/* QEMU's isa-debug-exit: a write of v ends it with exit code 2 * v + 1. */
#define BOOT_EXIT_PORT 0xf4
#define BOOT_EXIT_CODE 0x31

#define BOOT_STACK_BYTES 16384

#define BOOT_CS32      0x08
#define BOOT_CS        0x10 /* libkaiser's selectors */
#define BOOT_DS        0x18
#define BOOT_GDT_BYTES 32

#define CR4_PAE  0x20
#define CR4_LA57 0x1000
#define CR0_PG   0x80000000
#define CR0_BOOT 0x80010033 /* PG WP NE ET MP PE */
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define EFER_NXE 0x800

#ifdef __ASSEMBLER__
/* clang-format off */
/* 32-bit code: prints the string at ESI on the serial line, ends QEMU, halts. Needs no stack. */
	.macro BOOT_REFUSE32
	cli
	cld
	movw $0x3fb, %dx /* 115200 8N1 */
	movb $0x83, %al
	outb %al, %dx
	movw $0x3f8, %dx
	movb $1, %al
	outb %al, %dx
	incl %edx
	movb $0, %al
	outb %al, %dx
	movw $0x3fb, %dx
	movb $3, %al
	outb %al, %dx
.Lchar\@:
	movl $100000, %ecx
	movw $0x3fd, %dx
.Lwait\@:
	inb %dx, %al
	testb $0x20, %al
	jnz .Lready\@
	loop .Lwait\@
.Lready\@:
	lodsb
	testb %al, %al
	jz .Lend\@
	movw $0x3f8, %dx
	outb %al, %dx
	jmp .Lchar\@
.Lend\@:
	movb $BOOT_EXIT_CODE, %al
	outb %al, $BOOT_EXIT_PORT
.Lhalt\@:
	cli
	hlt
	jmp .Lhalt\@
	.endm
/* clang-format on */
#endif

#define BOOT_VECTORS    32
#define BOOT_STUB_BYTES 16

#endif
