/* SPDX-License-Identifier: MIT */
/*
 * FPU state in i386 signal frames: FSAVE's image, then what 64-bit frames have (signal_fpu.c). The
 * x87 registers are thus there twice; what comes back in FSAVE's image counts, as in Linux.
 */
#include "../proc/proc.h"
#include "../proc/signal_frame.h"
#include "compat.h"
#include "signal_frame32.h"
#include "uaccess.h"

/* The beginning of an FXSAVE image: SDM volume 1, 10.5.1. */
struct fxsave {
	uint16_t cw, sw;
	uint8_t tags, reserved;
	uint16_t opcode;
	uint64_t ip, data;
	uint32_t mxcsr, mxcsr_mask;
	struct {
		uint8_t value[10], pad[6];
	} st[8];
};
_Static_assert(sizeof(struct fxsave) == 160, "x87 part of FXSAVE");

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of(const uint8_t st[10])
{
	uint64_t mantissa;
	unsigned exponent = (st[8] | (unsigned)st[9] << 8) & 0x7fff;

	memcpy(&mantissa, st, sizeof(mantissa));
	if (exponent == 0x7fff)
		return TAG_SPECIAL;
	if (exponent == 0)
		return mantissa ? TAG_SPECIAL : TAG_ZERO;
	return mantissa >> 63 ? TAG_VALID : TAG_SPECIAL;
}

/* Tags are of the physical registers, st[] counts from the stack's top. */
static uint32_t long_tags(const struct fxsave *fx)
{
	unsigned top = fx->sw >> 11 & 7;
	uint32_t tags = 0xffff0000;

	for (unsigned i = 0; i < 8; i++) {
		unsigned tag = fx->tags >> i & 1 ? tag_of(fx->st[(i - top) & 7].value) : TAG_EMPTY;

		tags |= tag << 2 * i;
	}
	return tags;
}

uint64_t ia32_fpu_bytes(void)
{
	return signal_fpu_bytes();
}

void ia32_fsave_get(const void *area, struct fsave32 *s)
{
	struct fxsave fx;

	memcpy(&fx, area, sizeof(fx));
	memset(s, 0, sizeof(*s));
	s->cw = fx.cw | 0xffff0000;
	s->sw = fx.sw | 0xffff0000;
	s->tags = long_tags(&fx);
	s->ip = (uint32_t)fx.ip;
	s->cs_opcode = KAISER_USER32_CS | (uint32_t)fx.opcode << 16;
	s->data = (uint32_t)fx.data;
	s->ds = KAISER_USER_DS | 0xffff0000;
	for (unsigned i = 0; i < 8; i++)
		memcpy(s->st[i], fx.st[i].value, sizeof(s->st[i]));
	s->status = fx.sw;
}

int ia32_fpu_to_user(uint64_t va)
{
	struct fsave32 s;
	int err = signal_fpu_to_user(va + sizeof(s));

	if (err)
		return err;
	ia32_fsave_get(current->fpu, &s); /* just saved there, and not run since */
	return copy_to_user(va, &s, sizeof(s));
}

void ia32_fsave_set(void *area, const struct fsave32 *s)
{
	enum { OFF_XSTATE_BV = 512, XSTATE_X87 = 1 };
	struct fxsave *fx = area;

	fx->cw = (uint16_t)s->cw;
	fx->sw = (uint16_t)s->sw;
	fx->tags = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((s->tags >> 2 * i & 3) != TAG_EMPTY)
			fx->tags |= (uint8_t)(1u << i);
	fx->opcode = (uint16_t)(s->cs_opcode >> 16 & 0x7ff);
	fx->ip = s->ip;
	fx->data = s->data;
	for (unsigned i = 0; i < 8; i++)
		memcpy(fx->st[i].value, s->st[i], sizeof(s->st[i]));
	if (fpu_format.xsave)
		((uint8_t *)area)[OFF_XSTATE_BV] |= XSTATE_X87;
}

int ia32_fpu_from_user(uint64_t va)
{
	struct task *t = current;
	struct fsave32 s;
	uint64_t irq;
	int err;

	if (va == 0)
		return signal_fpu_from_user(0);
	if (copy_from_user(&s, va, sizeof(s)) != 0)
		return -EFAULT;
	err = signal_fpu_from_user(va + sizeof(s));
	if (err)
		return err;
	irq = irq_save();
	fpu_save(t);
	ia32_fsave_set(t->fpu, &s);
	fpu_load(t->fpu);
	irq_restore(irq);
	return 0;
}
