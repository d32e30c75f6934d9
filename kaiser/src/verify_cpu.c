/* SPDX-License-Identifier: MIT */
/*
 * sufficient: what the CPU itself reads and writes while it enters the kernel under the user root.
 * Anything missing here is a triple fault, and only on the path that needs it.
 */
#include "verify_internal.h"

#define VECTORS   256
#define TSS_BYTES 0x68
#define FRAME     48 /* the hardware's, with an error code */
#define EFER_SCE  1u
#define EXTENT    (UINT64_C(1) << 20) /* of a stack, looked at */

struct cpu_tables {
	struct kaiser_run *r;
	uint64_t root;
	uint64_t ist[8]; /* [0] is RSP0 */
	bool tss_known;
};

static void problem(struct kaiser_run *r, uint64_t start, uint64_t end, const char *text,
		    uint64_t number, const char *name)
{
	kaiser_report(r, &(struct kaiser_finding){
				 .check = r->check,
				 .severity = KAISER_ERROR,
				 .start = start,
				 .end = end,
				 .text = text,
				 .number = number,
				 .name = name,
			 });
}

/* [start, end) mapped with these rights. */
static bool mapped(const struct kaiser_machine *m, uint64_t start, uint64_t end, unsigned rights)
{
	for (uint64_t va = start; va < end; va = (va | (PAGE - 1)) + 1) {
		struct kaiser_visit v;
		if (!kaiser_translate(m, kaiser_root_of(m->cr3), va, &v) ||
		    (v.rights & rights) != rights)
			return false;
	}
	return true;
}

/* Supervisor code at va: with SMEP, user pages do not count. */
static bool code(const struct kaiser_machine *m, uint64_t va)
{
	struct kaiser_visit v;

	return kaiser_translate(m, kaiser_root_of(m->cr3), va, &v) &&
	       (v.rights & KAISER_MAY_EXEC) && !(v.rights & KAISER_MAY_USER);
}

static void need_table(struct kaiser_run *r, uint64_t base, uint64_t bytes, const char *name)
{
	if (!mapped(r->m, base, base + bytes, 0))
		problem(r, base, base + bytes, "# bytes that the CPU reads are not all mapped",
			bytes, name);
}

static void need_stack(struct kaiser_run *r, uint64_t top, const char *name)
{
	uint64_t aligned = top & ~UINT64_C(15); /* as the CPU does before it pushes */

	uint64_t low = aligned;

	if (!mapped(r->m, aligned - FRAME, aligned, KAISER_MAY_WRITE)) {
		problem(r, aligned - FRAME, aligned, "the CPU cannot push its frame", 0, name);
		return;
	}
	while (aligned - low < EXTENT && mapped(r->m, low - 1, low, KAISER_MAY_WRITE))
		low = (low - 1) & ~(PAGE - 1);
	kaiser_report(r, &(struct kaiser_finding){
				 .check = r->check,
				 .severity = KAISER_INFO,
				 .text = "# bytes below the top can be pushed to",
				 .number = aligned - low,
				 .name = name,
			 });
}

/* Of somebody else's kernel an event that the CPU cannot raise need not be handled: reserved
 * vectors, those of virtualisation, #CP without CET, #MC without CR4.MCE. */
static bool can_happen(const struct kaiser_machine *m, unsigned vector)
{
	uint64_t cr4 = known(m, KAISER_KNOWN_CR4) ? m->cr4 : UINT64_MAX;

	if (!m->foreign_kernel || vector >= 32)
		return true;
	if (vector == 18)
		return cr4 & (1u << 6);
	if (vector == 21)
		return cr4 & (1u << 23);
	return vector != 15 && vector < 20;
}

static bool stack_in_use(const struct cpu_tables *t, unsigned ist)
{
	const struct kaiser_machine *m = t->r->m;
	bool used = !m->foreign_kernel || !known(m, KAISER_KNOWN_IDT);

	for (unsigned v = 0; !used && v < VECTORS && v * 16 + 15 <= m->idt_limit; v++) {
		uint8_t gate[16];
		used = can_happen(m, v) &&
		       kaiser_read_virtual(m, t->root, m->idt_base + v * 16, gate, 16) &&
		       gate[5] >> 7 && (gate[4] & 7) == ist;
	}
	return used;
}

static void look_at_tss(struct cpu_tables *t)
{
	static const char *const name[8] = {"RSP0",  "IST 1", "IST 2", "IST 3",
					    "IST 4", "IST 5", "IST 6", "IST 7"};
	const struct kaiser_machine *m = t->r->m;

	if (m->tr_limit + UINT64_C(1) < TSS_BYTES)
		problem(t->r, m->tr_base, m->tr_base + m->tr_limit + 1,
			"the TSS has # bytes and needs 104", m->tr_limit + UINT64_C(1), NULL);
	need_table(t->r, m->tr_base, TSS_BYTES, "TSS");
	t->tss_known = kaiser_read_virtual(m, t->root, m->tr_base + 4, &t->ist[0], 8) &&
		       kaiser_read_virtual(m, t->root, m->tr_base + 0x24, &t->ist[1], 56);
	if (!t->tss_known)
		return;
	for (unsigned i = 0; i < 8; i++)
		if (i == 0 || (t->ist[i] && stack_in_use(t, i)))
			need_stack(t->r, t->ist[i], name[i]);
}

/* A 64-bit code segment of ring 0: SDM volume 3, 3.4.5. */
static bool code_segment(const struct cpu_tables *t, uint16_t selector)
{
	const struct kaiser_machine *m = t->r->m;
	uint64_t d;

	if (!known(m, KAISER_KNOWN_GDT))
		return true;
	if ((selector & 4) || selector < 8 || (selector | 7u) > m->gdt_limit ||
	    !kaiser_read_virtual(m, t->root, m->gdt_base + (selector & ~7u), &d, 8))
		return false;
	return (d >> 40 & 0x98) == 0x98 && (d >> 53 & 1) && !(d >> 45 & 3);
}

/* May arrive at any instruction, so under the user root with RSP the user's. */
static bool needs_own_stack(unsigned vector)
{
	return vector == 1 || vector == 2 || vector == 8 || vector == 18;
}

struct gates {
	uint64_t not_code, bad_segment, idle;
	unsigned first_not_code, first_bad_segment;
	uint8_t ist[19];
};

static void look_at_gate(struct cpu_tables *t, struct gates *g, unsigned vector, const uint8_t *b)
{
	uint64_t target = b[0] | b[1] << 8 | (uint64_t)b[6] << 16 | (uint64_t)b[7] << 24;
	bool present = b[5] >> 7;
	unsigned ist = b[4] & 7;

	for (unsigned i = 0; i < 4; i++)
		target |= (uint64_t)b[8 + i] << (32 + 8 * i);
	if (!can_happen(t->r->m, vector)) {
		g->idle += present && !code(t->r->m, target);
		return;
	}
	if (!present) {
		if (needs_own_stack(vector) || vector == 13 || vector == 14)
			problem(t->r, 0, 0, "vector # has no gate", vector, NULL);
		return;
	}
	if (!code(t->r->m, target) && g->not_code++ == 0)
		g->first_not_code = vector;
	if (!code_segment(t, (uint16_t)(b[2] | b[3] << 8)) && g->bad_segment++ == 0)
		g->first_bad_segment = vector;
	if (t->tss_known && ist && !t->ist[ist])
		problem(t->r, 0, 0, "the gate of vector # uses a stack that the TSS lacks", vector,
			NULL);
	if (!needs_own_stack(vector))
		return;
	g->ist[vector] = (uint8_t)ist;
	if (!ist)
		kaiser_report_text(t->r, vector == 1 ? KAISER_WARNING : KAISER_ERROR,
				   "vector # may hit the entry code and has no stack of its own",
				   vector);
}

/* Two of them may nest; on one stack the second overwrites the first's frame. */
static void shared_stacks(struct cpu_tables *t, const struct gates *g)
{
	for (unsigned a = 0; a < sizeof(g->ist); a++)
		for (unsigned b = a + 1; b < sizeof(g->ist); b++)
			if (g->ist[a] && g->ist[b] &&
			    (g->ist[a] == g->ist[b] ||
			     (t->tss_known && t->ist[g->ist[a]] == t->ist[g->ist[b]])))
				problem(t->r, 0, 0,
					"vector # shares its stack with another that may interrupt "
					"it",
					a, NULL);
}

static void look_at_idt(struct cpu_tables *t)
{
	const struct kaiser_machine *m = t->r->m;
	uint64_t bytes = m->idt_limit + UINT64_C(1);
	struct gates g = {0};

	need_table(t->r, m->idt_base, bytes, "IDT");
	if (bytes / 16 < 32)
		problem(t->r, m->idt_base, m->idt_base + bytes, "the IDT has # gates only",
			bytes / 16, NULL);
	for (unsigned v = 0; v < VECTORS && v < bytes / 16; v++) {
		uint8_t gate[16];
		if (kaiser_read_virtual(m, t->root, m->idt_base + v * 16, gate, 16))
			look_at_gate(t, &g, v, gate);
	}
	if (g.not_code) {
		problem(t->r, 0, 0, "# gates lead to where no kernel code can be executed",
			g.not_code, NULL);
		problem(t->r, 0, 0, "the first of them is vector #", g.first_not_code, NULL);
	}
	if (g.idle)
		kaiser_report_text(t->r, KAISER_INFO,
				   "# gates of events that cannot happen here lead nowhere",
				   g.idle);
	if (g.bad_segment) {
		problem(t->r, 0, 0, "# gates name no 64-bit code segment", g.bad_segment, NULL);
		problem(t->r, 0, 0, "the first of them is vector #", g.first_bad_segment, NULL);
	}
	shared_stacks(t, &g);
}

static void need_code(struct kaiser_run *r, uint64_t va, const char *name)
{
	if (!code(r->m, va))
		problem(r, va, va + 1, "no kernel code can be executed there", 0, name);
}

static void unknown(struct kaiser_run *r, unsigned what, const char *text)
{
	if (!known(r->m, what))
		kaiser_report_text(r, KAISER_UNKNOWN, text, 0);
}

void kaiser_check_sufficient(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	struct cpu_tables t = {.r = r, .root = kaiser_root_of(m->cr3)};
	bool syscall = !known(m, KAISER_KNOWN_EFER) || (m->efer & EFER_SCE);

	unknown(r, KAISER_KNOWN_TR, "the TSS is not known");
	unknown(r, KAISER_KNOWN_GDT, "the GDT is not known");
	unknown(r, KAISER_KNOWN_IDT, "the IDT is not known");
	if (syscall) { /* or it is #UD */
		unknown(r, KAISER_KNOWN_LSTAR, "LSTAR is not known");
		unknown(r, KAISER_KNOWN_CSTAR, "CSTAR is not known");
	}
	unknown(r, KAISER_KNOWN_SYSENTER, "the SYSENTER registers are not known");
	if (known(m, KAISER_KNOWN_TR))
		look_at_tss(&t);
	if (known(m, KAISER_KNOWN_GDT))
		need_table(r, m->gdt_base, m->gdt_limit + UINT64_C(1), "GDT");
	if (known(m, KAISER_KNOWN_IDT))
		look_at_idt(&t);
	if (syscall && known(m, KAISER_KNOWN_LSTAR))
		need_code(r, m->lstar, "LSTAR");
	if (syscall && known(m, KAISER_KNOWN_CSTAR) && m->cstar)
		need_code(r, m->cstar, "CSTAR");
	if (known(m, KAISER_KNOWN_SYSENTER) && (m->sysenter_cs & ~3u))
		need_code(r, m->sysenter_eip, "SYSENTER");
}

#define DESC_ACCESSED (UINT64_C(1) << 40)
#define DESC_CODE     (UINT64_C(1) << 43)
#define DESC_SEGMENT  (UINT64_C(1) << 44)
#define DESC_DPL3     (UINT64_C(3) << 45)
#define DESC_LONG     (UINT64_C(1) << 53)

/* What a program could do with a descriptor that is not its own: a call gate leads to any address
 * at ring 0. One that is not accessed the CPU would write to, in a page that is read-only. */
static const char *descriptor_bad(uint64_t d)
{
	if (d == 0)
		return NULL;
	if (!(d & DESC_SEGMENT))
		return "a gate or a system segment in the LDT";
	if ((d & DESC_DPL3) != DESC_DPL3)
		return "a segment in the LDT that is not of ring 3";
	if ((d & DESC_CODE) && (d & DESC_LONG))
		return "a segment of 64-bit code in the LDT";
	return d & DESC_ACCESSED ? NULL : "a segment in the LDT that the CPU would mark accessed";
}

void kaiser_check_ldt(struct kaiser_run *r)
{
	const struct kaiser_machine *m = r->m;
	unsigned reported = 0;

	for (uint64_t i = 0; m->ldt_base && i + 7 <= m->ldt_limit && reported < REPORT_MAX;
	     i += 8) {
		uint64_t d, at = m->ldt_base + i;
		const char *bad = "the LDT is not mapped";
		if (kaiser_read_virtual(m, kaiser_root_of(m->cr3), at, &d, 8))
			bad = descriptor_bad(d);
		if (!bad)
			continue;
		kaiser_report_at(r, at, at + 8, 0, bad);
		reported++;
	}
}
