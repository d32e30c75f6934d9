/* SPDX-License-Identifier: MIT */
/* The early IDT: loaded once at the load address and again at the final one. */
#include "local.h"

struct gate {
	uint16_t offset0, selector;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, reserved;
};

#define GATE_INTERRUPT 0x8e

static struct gate idt[BOOT_VECTORS];

void boot_idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} packed idtr = {sizeof(idt) - 1, (uintptr_t)idt};

	for (unsigned i = 0; i < BOOT_VECTORS; i++) {
		uint64_t to = (uintptr_t)boot_trap_stubs + (uint64_t)i * BOOT_STUB_BYTES;

		idt[i] = (struct gate){
			.offset0 = (uint16_t)to,
			.selector = BOOT_CS,
			.type = GATE_INTERRUPT,
			.offset1 = (uint16_t)(to >> 16),
			.offset2 = (uint32_t)(to >> 32),
		};
	}
	__asm__ volatile("lidt %0" ::"m"(idtr));
}
