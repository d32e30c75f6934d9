/* SPDX-License-Identifier: MIT */
/* The text of QEMU's `info registers -a`: one block a CPU, headed "CPU#n". */
#include <stdlib.h>
#include <string.h>

#include <kaiser/verify.h>

#include "source.h"

#define CR0_PG   (UINT64_C(1) << 31)
#define EFER_LMA (UINT64_C(1) << 10)

/* The value behind `key`; false if there is none. */
static bool number(const char *text, const char *key, uint64_t *value)
{
	const char *p = strstr(text, key);
	char *end;

	if (!p)
		return false;
	p += strlen(key);
	*value = strtoull(p, &end, 16);
	return end != p;
}

/* "CS =0033 0000000000000000 ffffffff 00affb00 ..."; GDT and IDT have no selector. */
static bool segment(const char *text, const char *key, bool selector, struct source_segment *s)
{
	const char *p = strstr(text, key);
	char *end;

	if (!p)
		return false;
	p += strlen(key);
	if (selector) {
		s->selector = (unsigned)strtoul(p, &end, 16);
		p = end;
	}
	s->base = strtoull(p, &end, 16);
	if (end == p)
		return false;
	p = end;
	s->limit = (uint32_t)strtoull(p, &end, 16);
	return end != p;
}

static void general(struct source_cpu *c, const char *t)
{
	static const char *const name[16] = {
		"RAX=", "RBX=", "RCX=", "RDX=", "RSI=", "RDI=", "RBP=", "RSP=",
		"R8 =", "R9 =", "R10=", "R11=", "R12=", "R13=", "R14=", "R15="};

	while (c->regs < 16 && number(t, name[c->regs], &c->reg[c->regs]))
		c->regs++;
}

static bool parse_cpu(struct source_cpu *c, const char *t)
{
	uint64_t cpl = 0;

	memset(c, 0, sizeof(*c));
	if (!number(t, "CR0=", &c->cr0) || !number(t, "CR3=", &c->cr3) ||
	    !number(t, "CR4=", &c->cr4) || !number(t, "EFER=", &c->efer) ||
	    !number(t, "CPL=", &cpl) || !segment(t, "CS =", true, &c->cs) ||
	    !segment(t, "GS =", true, &c->gs) || !segment(t, "LDT=", true, &c->ldt) ||
	    !segment(t, "TR =", true, &c->tr) || !segment(t, "GDT=", false, &c->gdt) ||
	    !segment(t, "IDT=", false, &c->idt))
		return false;
	/* In 16 and 32-bit mode QEMU writes EIP and so on. */
	if (!number(t, "RIP=", &c->rip))
		number(t, "EIP=", &c->rip);
	if (!number(t, "RSP=", &c->rsp))
		number(t, "ESP=", &c->rsp);
	if (!number(t, "RFL=", &c->rflags))
		number(t, "EFL=", &c->rflags);
	general(c, t);
	c->bits32 = strstr(t, "CS32 ") != NULL;
	c->cpl = (unsigned)cpl & 3;
	c->paging = (c->cr0 & CR0_PG) && (c->efer & EFER_LMA);
	c->known = KAISER_KNOWN_CR3 | KAISER_KNOWN_CR4 | KAISER_KNOWN_EFER | KAISER_KNOWN_IDT |
		   KAISER_KNOWN_GDT | (c->bits32 ? 0 : KAISER_KNOWN_TR); /* half a base is none */
	return true;
}

int registers_parse(struct source *s, char *text)
{
	unsigned n = 0;

	for (char *p = strstr(text, "CPU#"), *next; p; p = next) {
		next = strstr(p + 4, "CPU#");
		if (next)
			next[-1] = 0;
		if (n == SOURCE_CPUS)
			return source_fail(s, "the guest has more than %d CPUs", SOURCE_CPUS);
		if (!parse_cpu(&s->cpu[n], p))
			return source_fail(s,
					   "QEMU does not show the registers of CPU %u as those "
					   "of an x86-64",
					   n);
		n++;
	}
	if (n == 0)
		return source_fail(s, "QEMU shows no registers");
	s->cpus = n;
	return 0;
}
