/* SPDX-License-Identifier: MIT */
/* IDT, GDT and TSS: SDM volume 3, 3.4.5, 6.14 and 7.7. All of it is read-only once live. */
#include "internal.h"

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "an IDT gate has 16 bytes");

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap_base;
} __attribute__((__packed__));
_Static_assert(sizeof(struct tss) == 0x68, "a TSS has 104 bytes");
_Static_assert(KAISER_TSS_OFF + sizeof(struct tss) <= KAISER_PAGE_SIZE, "the TSS crosses its page");
_Static_assert(KAISER_GDT_ENTRIES * 8 <= KAISER_TSS_OFF, "GDT and TSS overlap");

extern const char kaiser_stubs[], kaiser_entry_nmi[], kaiser_entry_db[], kaiser_entry_mc[],
	kaiser_entry_df[];

#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */
#define GATE_DPL3      0x60

static void gate_set(struct gate *g, uint64_t target, unsigned ist, bool user)
{
	g->offset_low = (uint16_t)target;
	g->offset_mid = (uint16_t)(target >> 16);
	g->offset_high = (uint32_t)(target >> 32);
	g->selector = KAISER_KERNEL_CS;
	g->ist = (uint8_t)ist;
	g->type = GATE_INTERRUPT | (user ? GATE_DPL3 : 0);
	g->reserved = 0;
}

void kaiser_idt_build(struct kaiser *k)
{
	struct gate *idt = k->idt;

	/* Only #BP and #OF may be raised by an INT of user mode, and 32-bit system calls. */
	for (unsigned v = 0; v < KAISER_VECTORS; v++)
		gate_set(&idt[v], window_va(k, kaiser_stubs) + KAISER_STUB_OFFSET(v), 0,
			 v == 3 || v == 4 || (v == KAISER_IA32_VECTOR && k->cfg.ia32));
	gate_set(&idt[1], window_va(k, kaiser_entry_db), KAISER_IST_DB, false);
	gate_set(&idt[2], window_va(k, kaiser_entry_nmi), KAISER_IST_NMI, false);
	gate_set(&idt[8], window_va(k, kaiser_entry_df), KAISER_IST_DF, false);
	gate_set(&idt[18], window_va(k, kaiser_entry_mc), KAISER_IST_MC, false);
}

/* All accessed bits are set beforehand, so that the CPU never writes the GDT. */
#define SEG_CODE64(dpl) (UINT64_C(0x00af9b000000ffff) | (uint64_t)(dpl) << 45)
#define SEG_CODE32(dpl) (UINT64_C(0x00cf9b000000ffff) | (uint64_t)(dpl) << 45)
#define SEG_DATA(dpl)   (UINT64_C(0x00cf93000000ffff) | (uint64_t)(dpl) << 45)

void kaiser_descriptors_build(struct kaiser *k, unsigned cpu, void *page)
{
	uint64_t *gdt = page;
	struct tss *tss = (struct tss *)((char *)page + KAISER_TSS_OFF);
	uint64_t base = cpu_base(k, cpu) + KAISER_CPU_DESC + KAISER_TSS_OFF;
	uint64_t entry = cpu_base(k, cpu) + KAISER_CPU_ENTRY;

	gdt[1] = SEG_CODE32(0);
	gdt[KAISER_KERNEL_CS / 8] = SEG_CODE64(0);
	gdt[KAISER_KERNEL_DS / 8] = SEG_DATA(0);
	gdt[KAISER_USER32_CS / 8] = SEG_CODE32(3);
	gdt[KAISER_USER_DS / 8] = SEG_DATA(3);
	gdt[KAISER_USER_CS / 8] = SEG_CODE64(3);
	gdt[KAISER_TSS_SEL / 8] =
		(KAISER_TSS_LIMIT & 0xffff) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
		(uint64_t)(KAISER_TSS_LIMIT >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
	gdt[KAISER_TSS_SEL / 8 + 1] = base >> 32;

	tss->rsp[0] = entry + KAISER_ENTRY_STACK_TOP;
	tss->ist[KAISER_IST_NMI - 1] = entry + KAISER_IST_NMI_TOP;
	tss->ist[KAISER_IST_MC - 1] = entry + KAISER_IST_MC_TOP;
	tss->ist[KAISER_IST_DB - 1] = entry + KAISER_IST_DB_TOP;
	tss->ist[KAISER_IST_DF - 1] = entry + KAISER_IST_DF_TOP;
	tss->iomap_base = KAISER_TSS_NO_IOMAP;
}
