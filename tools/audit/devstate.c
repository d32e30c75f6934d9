/* SPDX-License-Identifier: MIT */
/*
 * LSTAR, CSTAR and the SYSENTER registers are in no answer of QEMU's monitor or stub, but it writes
 * them when it saves its devices' state (QMP xen-save-devices-state: no RAM in it). Each CPU has a
 * section there, headed by 4, a number of 32 bits, 3 "cpu", the CPU's number and a version; then
 * come its registers, big-endian. Where exactly is no promise of QEMU's. So what lies around the
 * values wanted must be what the monitor showed of that CPU at the same stop, or they are not
 * believed.
 */
#include <string.h>

#include <kaiser/verify.h>

#include "source.h"

#define SEGMENTS 236 /* from a section's registers to the segments, 20 bytes each */
#define LDT      (SEGMENTS + 6 * 20)
#define TR       (LDT + 20)
#define GDT      (LDT + 40)
#define IDT      (LDT + 60)
#define SYSENTER (LDT + 80) /* CS, ESP, EIP */
#define CR0      (SYSENTER + 20)
#define CR3      (CR0 + 16)
#define CR4      (CR0 + 24)
#define EFER     (CR0 + 32 + 64 + 8 + 256)
#define LSTAR    (EFER + 16)
#define CSTAR    (EFER + 24)
#define GS       (EFER + 40)
#define BYTES    (EFER + 48)

static uint64_t big(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* While 32-bit code runs the monitor shows the lower half of a base. */
static bool same_segment(const uint8_t *p, const struct source_segment *s, bool half)
{
	uint64_t base = big(p + 4, 8);

	return (half ? (uint32_t)base : base) == s->base && big(p + 12, 4) == s->limit;
}

static bool believed(const uint8_t *p, const struct source_cpu *c)
{
	return same_segment(p + TR, &c->tr, c->bits32) && same_segment(p + GDT, &c->gdt, false) &&
	       same_segment(p + IDT, &c->idt, false) && big(p + CR0, 8) == c->cr0 &&
	       big(p + CR3, 8) == c->cr3 && big(p + CR4, 8) == c->cr4 &&
	       big(p + EFER, 8) == c->efer;
}

int devstate_parse(struct source *s, const uint8_t *p, size_t n)
{
	static const uint8_t name[4] = {3, 'c', 'p', 'u'};
	unsigned found = 0;

	for (size_t at = 5; at + 12 + BYTES <= n; at++) {
		const uint8_t *r = p + at + 12;
		uint64_t cpu;

		if (memcmp(p + at, name, 4) || p[at - 5] != 4)
			continue;
		cpu = big(p + at + 4, 4);
		if (cpu >= s->cpus || !believed(r, &s->cpu[cpu]))
			continue;
		struct source_cpu *c = &s->cpu[cpu];
		c->tr.base = big(r + TR + 4, 8);
		c->ldt.base = big(r + LDT + 4, 8);
		c->lstar = big(r + LSTAR, 8);
		c->cstar = big(r + CSTAR, 8);
		c->sysenter_cs = (uint32_t)big(r + SYSENTER, 4);
		c->sysenter_eip = big(r + SYSENTER + 12, 8);
		c->kernel_gs = big(r + GS, 8);
		c->known |= KAISER_KNOWN_TR | KAISER_KNOWN_LSTAR | KAISER_KNOWN_CSTAR |
			    KAISER_KNOWN_SYSENTER | KAISER_KNOWN_GS;
		found++;
	}
	return found == s->cpus ? 0 : -1;
}
