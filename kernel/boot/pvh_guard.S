/* SPDX-License-Identifier: MIT */
/*
 * The true PVH entry. QEMU puts the initrd as high as memory allows and does not look whether the
 * kernel is there already: with too little memory the initrd overwrites the image. So a page that
 * is loaded well below the image asks first. It is free memory afterwards. (GRUB never overlaps the
 * two, and does not load this page.)
 *
 * EBX = hvm_start_info, kept for boot_pvh_entry.
 */
#include "asm.h"

#define PVH_MODULES 12 /* offsets in hvm_start_info */
#define PVH_MODLIST 16

#define PROBE 0x5a17c0de

	.section .boot.guard, "ax", @progbits
	.code32
	.balign 16
boot_guard_start:
	.globl boot_pvh_guard
boot_pvh_guard:
	/* Is there memory up to the end of the image? Its last word is .bss. */
	movl $BOOT_GUARD_PHYS, %ebp
	leal (kernel_image_end - boot_guard_start)(%ebp), %edi
	cmpl $0, PVH_MODULES(%ebx)
	je 1f
	movl PVH_MODLIST(%ebx), %esi
	cmpl $0, 4(%esi)
	jne 1f /* above 4 GiB */
	movl (%esi), %eax
	cmpl %edi, %eax
	jae 1f
	addl 8(%esi), %eax
	jc overlap
	cmpl $BOOT_PHYS, %eax
	ja overlap
1:	movl $PROBE, -4(%edi)
	cmpl $PROBE, -4(%edi)
	jne no_memory
	jmp boot_pvh_entry

overlap:
	leal (msg_overlap - boot_guard_start)(%ebp), %esi
	jmp refuse
no_memory:
	leal (msg_no_memory - boot_guard_start)(%ebp), %esi
refuse:
	BOOT_REFUSE32

msg_overlap:
	.asciz "boot: too little memory: the initrd was loaded over the kernel\r\n"
msg_no_memory:
	.asciz "boot: too little memory: there is none where the kernel was loaded\r\n"

	.section .note.GNU-stack, "", @progbits
