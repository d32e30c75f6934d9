/* SPDX-License-Identifier: MIT */
/* Registers as the stub tells them, and what two sets of them disagree about. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "storm.h"

static const struct {
	const char *name;
	size_t at;
	bool kernel; /* the kernel's state, not what user mode sees */
} names[] = {
#define REG(n, f)                                        \
	{                                                \
		n, offsetof(struct storm_regs, f), false \
	}
#define KERNEL(n, f)                                    \
	{                                               \
		n, offsetof(struct storm_regs, f), true \
	}
	REG("%rip", rip),        REG("%rax", gpr[0]),     REG("%rbx", gpr[1]),
	REG("%rcx", gpr[2]),     REG("%rdx", gpr[3]),     REG("%rsi", gpr[4]),
	REG("%rdi", gpr[5]),     REG("%rbp", gpr[6]),     REG("%rsp", gpr[7]),
	REG("%r8", gpr[8]),      REG("%r9", gpr[9]),      REG("%r10", gpr[10]),
	REG("%r11", gpr[11]),    REG("%r12", gpr[12]),    REG("%r13", gpr[13]),
	REG("%r14", gpr[14]),    REG("%r15", gpr[15]),    REG("RFLAGS", flags),
	REG("CS", seg[SEG_CS]),  REG("SS", seg[SEG_SS]),  REG("DS", seg[SEG_DS]),
	REG("ES", seg[SEG_ES]),  REG("FS", seg[SEG_FS]),  REG("GS", seg[SEG_GS]),
	REG("FS base", fs_base), REG("GS base", gs_base), KERNEL("the kernel's GS base", kernel_gs),
	KERNEL("CR0", cr0),      KERNEL("CR2", cr2),      KERNEL("CR3", cr3),
	KERNEL("CR4", cr4),      KERNEL("EFER", efer),
};

static uint64_t get(const struct storm_regs *r, unsigned i)
{
	uint64_t v;

	memcpy(&v, (const char *)r + names[i].at, sizeof(v));
	return v;
}

static void put(struct storm_regs *r, unsigned i, uint64_t v)
{
	memcpy((char *)r + names[i].at, &v, sizeof(v));
}

static int digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A little-endian number of n bytes; moves on. */
static uint64_t number(const char **p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++) {
		int high = digit((*p)[0]), low = high < 0 ? -1 : digit((*p)[1]);

		if (low < 0)
			return v;
		v |= (uint64_t)(high << 4 | low) << 8 * i;
		*p += 2;
	}
	return v;
}

/* QEMU's order: 16 registers, RIP, 4 bytes of flags, 6 selectors of 4 bytes, bases, control
 * registers, then x87 and SSE. */
bool storm_regs_parse(struct storm_regs *r, const char *hex)
{
	if (strlen(hex) < 2 * 236)
		return false;
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < 16; i++)
		r->gpr[i] = number(&hex, 8);
	r->rip = number(&hex, 8);
	r->flags = number(&hex, 4);
	for (unsigned i = 0; i < SEGS; i++)
		r->seg[i] = number(&hex, 4);
	r->fs_base = number(&hex, 8);
	r->gs_base = number(&hex, 8);
	r->kernel_gs = number(&hex, 8);
	r->cr0 = number(&hex, 8);
	r->cr2 = number(&hex, 8);
	r->cr3 = number(&hex, 8);
	r->cr4 = number(&hex, 8);
	number(&hex, 8); /* CR8 */
	r->efer = number(&hex, 8);
	for (unsigned i = 0; i < sizeof(r->fpu) / sizeof(r->fpu[0]) && *hex; i++)
		r->fpu[i] = number(&hex, 8);
	return true;
}

bool storm_regs_differ(const struct storm_regs *got, const struct storm_regs *want,
		       const struct storm_regs *noise, char *what, size_t size)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t g = get(got, i), w = get(want, i), n = noise ? get(noise, i) : 0;

		if (names[i].at == offsetof(struct storm_regs, flags))
			n |= FLAG_RF;
		if (!((g ^ w) & ~n))
			continue;
		snprintf(what, size, "%s is %#" PRIx64 ", should be %#" PRIx64, names[i].name, g,
			 w);
		return true;
	}
	for (unsigned i = 0; i < sizeof(got->fpu) / sizeof(got->fpu[0]); i++) {
		if (!((got->fpu[i] ^ want->fpu[i]) & ~(noise ? noise->fpu[i] : 0)))
			continue;
		snprintf(what, size,
			 "word %u of the x87 and SSE state is %#" PRIx64 ", should be %#" PRIx64, i,
			 got->fpu[i], want->fpu[i]);
		return true;
	}
	return false;
}

void storm_regs_noise(struct storm_regs *noise, const struct storm_regs *a,
		      const struct storm_regs *b)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (get(a, i) != get(b, i))
			put(noise, i, ~UINT64_C(0));
	for (unsigned i = 0; i < sizeof(a->fpu) / sizeof(a->fpu[0]); i++)
		if (a->fpu[i] != b->fpu[i])
			noise->fpu[i] = ~UINT64_C(0);
}
