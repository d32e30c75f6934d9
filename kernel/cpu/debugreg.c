/* SPDX-License-Identifier: MIT */
/*
 * Debug registers of user threads (SDM volume 3, 17.2).
 *
 * What a thread asks for is checked when it is written, never when it is loaded: no enabled
 * breakpoint ever touches a kernel address. One on the window would trap in the gates, before their
 * CR3 write; one on the entry page would trap on every entry, on its own IST stack. A breakpoint on
 * user memory may well be hit by the kernel when it copies, which traps at CPL 0 with the kernel's
 * root and is ignored there, as Linux does; and it may be held back over the instruction after MOV
 * SS, so that it arrives at the first instruction of a gate: the #DB head of the library expects
 * that.
 *
 * GD is never set: it would make the kernel's own MOV to DR7 trap.
 */
#include <kaiser/kaiser.h>

#include "cpu.h"
#include "port.h"
#include "ptrace.h"

#define DR6_RESERVED UINT64_C(0xffff0ff0) /* bits that read as one */
#define DR6_HITS     UINT64_C(0xf)
#define DR6_STEP     BIT(14)
#define DR7_RESERVED UINT64_C(0xffffffff0000fc00) /* dropped when written: GD among them */
#define DR7_FIXED    BIT(10)

enum { KIND_EXEC = 0, KIND_WRITE = 1, KIND_IO = 2, KIND_ACCESS = 3 };

static unsigned enables(uint64_t dr7, unsigned n)
{
	return (unsigned)(dr7 >> (2 * n) & 3);
}

static unsigned kind_of(uint64_t dr7, unsigned n)
{
	return (unsigned)(dr7 >> (16 + 4 * n) & 3);
}

static uint64_t len_of(uint64_t dr7, unsigned n)
{
	static const uint8_t len[4] = {1, 2, 8, 4};

	return len[dr7 >> (18 + 4 * n) & 3];
}

void debugreg_load(const struct debugreg *d)
{
	uint64_t dr7 = DR7_FIXED;

	/* Off first: no register may change under an enabled breakpoint. */
	__asm__ volatile("movq %0, %%dr7" ::"r"(dr7));
	if (!(d->dr7 & DR7_ENABLE_MASK))
		return;
	__asm__ volatile("movq %0, %%dr0" ::"r"(d->addr[0]));
	__asm__ volatile("movq %0, %%dr1" ::"r"(d->addr[1]));
	__asm__ volatile("movq %0, %%dr2" ::"r"(d->addr[2]));
	__asm__ volatile("movq %0, %%dr3" ::"r"(d->addr[3]));
	__asm__ volatile("movq %0, %%dr7" ::"r"(d->dr7 | DR7_FIXED));
}

int debugreg_event(struct debugreg *d, uint64_t dr6, bool *fault)
{
	uint64_t hits = 0;

	*fault = false;
	for (unsigned n = 0; n < 4; n++) {
		/* The CPU may also tell of addresses that matched while not enabled. */
		if (!(dr6 & BIT(n)) || !enables(d->dr7, n))
			continue;
		hits |= BIT(n);
		*fault |= kind_of(d->dr7, n) == KIND_EXEC;
	}
	d->dr6 = hits | (dr6 & DR6_STEP);
	if (dr6 & DR6_STEP)
		return TRAP_TRACE;
	return hits ? TRAP_HWBKPT : TRAP_BRKPT; /* the latter: INT1 */
}

uint64_t debugreg_get(const struct debugreg *d, unsigned n)
{
	if (n < 4)
		return d->addr[n];
	if (n == 6)
		return d->dr6 | DR6_RESERVED;
	return n == 7 ? d->dr7 : 0;
}

static bool slot_ok(const struct debugreg *d, uint64_t dr7, unsigned n)
{
	uint64_t len = len_of(dr7, n);

	if (!enables(dr7, n))
		return true;
	if (kind_of(dr7, n) == KIND_IO || (kind_of(dr7, n) == KIND_EXEC && len != 1))
		return false;
	return !(d->addr[n] & (len - 1)) && kaiser_breakpoint_allowed(&kaiser, d->addr[n], len);
}

static bool all_ok(const struct debugreg *d, uint64_t dr7)
{
	for (unsigned n = 0; n < 4; n++)
		if (!slot_ok(d, dr7, n))
			return false;
	return true;
}

int debugreg_set(struct debugreg *d, unsigned n, uint64_t value)
{
	struct debugreg changed = *d;

	switch (n) {
	case 0:
	case 1:
	case 2:
	case 3:
		changed.addr[n] = value;
		if (!kaiser_breakpoint_allowed(&kaiser, value, 1) || !all_ok(&changed, d->dr7))
			return -EINVAL;
		d->addr[n] = value;
		return 0;
	case 6:
		d->dr6 = value & (DR6_HITS | DR6_STEP);
		return 0;
	case 7:
		value &= ~DR7_RESERVED;
		if (!all_ok(d, value))
			return -EINVAL;
		d->dr7 = value;
		return 0;
	default:
		return -EIO;
	}
}
