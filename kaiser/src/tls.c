/* SPDX-License-Identifier: MIT */
/*
 * TLS segments: three entries of the GDT that follow the running thread (Linux's set_thread_area).
 * User mode can read the GDT (LSL, and by side channels), so one thread's entries must be gone
 * before another space runs, and none may be more than a data segment of ring 3: no gate, no TSS,
 * no code segment whose privilege or mode would be the program's choice. Nor one of 16 bits: a
 * program could make it its stack segment, and IRET to such a stack shows user mode bits 31 to 16
 * of the entry stack's address. What ldt.c does against that is done for selectors of the LDT only.
 */
#include "internal.h"

/* SDM volume 3, 3.4.5. */
#define DESC_ACCESSED (UINT64_C(1) << 40)
#define DESC_CODE     (UINT64_C(1) << 43)
#define DESC_S        (UINT64_C(1) << 44)
#define DESC_DPL      (UINT64_C(3) << 45)
#define DESC_LONG     (UINT64_C(1) << 53)
#define DESC_32BIT    (UINT64_C(1) << 54)

static uint64_t *entries(struct kaiser_cpu *c)
{
	return (uint64_t *)c->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE] + KAISER_GDT_TLS;
}

static bool acceptable(uint64_t d)
{
	const uint64_t told = DESC_S | DESC_DPL | DESC_CODE | DESC_LONG | DESC_32BIT;

	return d == 0 || (d & told) == (DESC_S | DESC_DPL | DESC_32BIT);
}

int kaiser_set_tls(const uint64_t tls[KAISER_TLS_ENTRIES])
{
	uint64_t *gdt = entries(hw_this_cpu());

	for (unsigned i = 0; i < KAISER_TLS_ENTRIES; i++)
		if (!acceptable(tls[i]))
			return KAISER_E_ARG;
	/* The CPU must not write to a read-only page: it finds each entry accessed already. */
	for (unsigned i = 0; i < KAISER_TLS_ENTRIES; i++)
		gdt[i] = tls[i] ? tls[i] | DESC_ACCESSED : 0;
	return KAISER_OK;
}

void kaiser_tls_clear(struct kaiser_cpu *c)
{
	uint64_t *gdt = entries(c);

	for (unsigned i = 0; i < KAISER_TLS_ENTRIES; i++)
		gdt[i] = 0;
}
