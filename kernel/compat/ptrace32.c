/* SPDX-License-Identifier: MIT */
/*
 * ptrace for i386: words and offsets of 4 bytes, Linux's struct user of 32-bit programs, and what a
 * 32-bit task's register sets look like, to any tracer. What is read and written are the fields of
 * the 64-bit view, so what is refused there is refused here (proc/ptrace_regs.c). A 32-bit tracer
 * of a 64-bit task sees the lower halves, and what it writes has upper halves of zero.
 */
#include "../proc/proc.h"
#include "../proc/ptrace.h"
#include "compat.h"
#include "signal_frame32.h"
#include "uaccess.h"

/* Linux's user_regs_struct of i386, each word's place in the 64-bit one. */
#define WORD64(n) ((n)*8)
enum { AX_32 = 6, FS_32 = 9, GS_32 = 10, ORIG_AX_32 = 11, REGS_32 = 17 };
static const uint16_t place[REGS_32] = {
	WORD64(5),  WORD64(11), WORD64(12), WORD64(13), WORD64(14),
	WORD64(4), /* bx cx dx si di bp */
	WORD64(10), WORD64(23), WORD64(24), WORD64(25), WORD64(26),
	WORD64(15),                                                 /* ax ds es fs gs orig */
	WORD64(16), WORD64(17), WORD64(18), WORD64(19), WORD64(20), /* ip cs flags sp ss */
};

/* Of struct user: the debug registers end it; what lies between reads as 0, and what is written
 * there is forgotten. */
enum { DEBUGREG_32 = 252, USER_BYTES_32 = 284 };

#define FS_BASE_64 WORD64(21)
#define GS_BASE_64 WORD64(22)

/* A 32-bit debugger that puts all registers back knows of no bases: they follow FS and GS. */
static int set_segment(struct task *t, unsigned n, uint32_t value)
{
	int err = ptrace_poke_user(t, place[n], value);

	if (err)
		return err;
	return ptrace_poke_user(t, n == FS_32 ? FS_BASE_64 : GS_BASE_64,
				ia32_segment_base(t, (uint16_t)value));
}

static int set_reg(struct task *t, unsigned n, uint32_t value)
{
	/* -1 is no call, and an error that asks for a restart stays one: both are 64-bit values
	 * here. */
	if (n == ORIG_AX_32 || (n == AX_32 && (int32_t)value < 0 && (int32_t)value >= -4095 &&
				t->user_regs->orig_ax != UINT64_MAX))
		return ptrace_poke_user(t, place[n], (uint64_t)(int32_t)value);
	if (n == FS_32 || n == GS_32)
		return set_segment(t, n, value);
	return ptrace_poke_user(t, place[n], value);
}

static void get_regs(struct task *t, uint32_t regs[REGS_32])
{
	uint64_t value;

	for (unsigned n = 0; n < REGS_32; n++) {
		ptrace_peek_user(t, place[n], &value); /* all are there */
		regs[n] = (uint32_t)value;
	}
}

/* The first that is refused ends it. */
static int set_regs(struct task *t, uint64_t from, uint64_t bytes)
{
	uint32_t regs[REGS_32];
	int err = 0;

	if (copy_from_user(regs, from, bytes) != 0)
		return -EFAULT;
	for (unsigned n = 0; n < bytes / 4 && !err; n++)
		err = set_reg(t, n, regs[n]);
	return err;
}

static int regs_copy(struct task *t, uint64_t va, uint64_t bytes, bool to_task)
{
	uint32_t regs[REGS_32];

	if (to_task)
		return set_regs(t, va, bytes);
	get_regs(t, regs);
	return copy_to_user(va, regs, bytes);
}

/* FSAVE's image, without what signal frames append. */
enum { FSAVE_BYTES = 108 };

static int fsave_copy(struct task *t, uint64_t va, uint64_t bytes, bool to_task)
{
	struct fsave32 s;

	ia32_fsave_get(t->fpu, &s);
	if (!to_task)
		return copy_to_user(va, &s, bytes);
	if (copy_from_user(&s, va, bytes) != 0)
		return -EFAULT;
	ia32_fsave_set(t->fpu, &s);
	return 0;
}

static int fxsave_copy(struct task *t, uint64_t va, uint64_t bytes, bool to_task)
{
	if (!to_task)
		return copy_to_user(va, t->fpu, bytes);
	return bytes < FXSAVE_BYTES ? -EINVAL : ptrace_set_fpregs(t, va);
}

static int tls_copy(struct task *t, uint64_t va, uint64_t bytes, bool to_task)
{
	struct ia32_desc d[KAISER_TLS_ENTRIES];
	unsigned n = (unsigned)(bytes / sizeof(*d));

	for (unsigned i = 0; i < KAISER_TLS_ENTRIES; i++)
		ia32_tls_get(t, KAISER_GDT_TLS + i, &d[i]);
	if (!to_task)
		return copy_to_user(va, d, bytes);
	if (copy_from_user(d, va, bytes) != 0)
		return -EFAULT;
	for (unsigned i = 0; i < n; i++)
		if (!ia32_desc_ok(&d[i]))
			return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		ia32_tls_set(t, KAISER_GDT_TLS + i, &d[i]);
	return 0;
}

bool ia32_regset(struct task *t, uint64_t type, uint64_t base, uint64_t *len, bool to_task,
		 int *result)
{
	static const struct {
		uint32_t type, unit, bytes;
		int (*copy)(struct task *t, uint64_t va, uint64_t bytes, bool to_task);
	} sets[] = {
		{NT_PRSTATUS, 4, REGS_32 * 4, regs_copy},
		{NT_PRFPREG, 4, FSAVE_BYTES, fsave_copy},
		{NT_PRXFPREG, 4, FXSAVE_BYTES, fxsave_copy},
		{NT_386_TLS, sizeof(struct ia32_desc),
		 KAISER_TLS_ENTRIES * sizeof(struct ia32_desc), tls_copy},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		if (sets[i].type != type)
			continue;
		*result = -EINVAL;
		if (*len % sets[i].unit)
			return true;
		*len = MIN(*len, sets[i].bytes);
		*result = sets[i].copy(t, base, *len, to_task);
		return true;
	}
	return false;
}

/* ---- requests ------------------------------------------------------------------------------- */

static int peek_user(struct task *t, uint64_t offset, uint32_t *value)
{
	uint64_t word = 0;
	int err = 0;

	if (offset % 4 || offset > USER_BYTES_32) /* one word too many, as in Linux */
		return -EIO;
	if (offset < REGS_32 * 4)
		err = ptrace_peek_user(t, place[offset / 4], &word);
	else if (offset >= DEBUGREG_32 && offset < USER_BYTES_32)
		err = ptrace_peek_user(t, USER_DEBUGREG + (offset - DEBUGREG_32) * 2, &word);
	*value = (uint32_t)word;
	return err;
}

static int poke_user(struct task *t, uint64_t offset, uint32_t value)
{
	if (offset % 4 || offset > USER_BYTES_32)
		return -EIO;
	if (offset < REGS_32 * 4)
		return set_reg(t, (unsigned)offset / 4, value);
	if (offset >= DEBUGREG_32 && offset < USER_BYTES_32)
		return ptrace_poke_user(t, USER_DEBUGREG + (offset - DEBUGREG_32) * 2, value);
	return 0;
}

static int peek(struct task *t, uint64_t addr, uint32_t *word)
{
	return t->mm && mm_peek(t->mm, addr, word, sizeof(*word)) == sizeof(*word) ? 0 : -EIO;
}

static int poke(struct task *t, uint64_t addr, uint32_t word)
{
	return t->mm && mm_poke(t->mm, addr, &word, sizeof(word)) == sizeof(word) ? 0 : -EIO;
}

bool ia32_ptrace(struct task *t, long request, uint64_t addr, uint64_t data, long *result)
{
	uint32_t word = 0;
	long r;

	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		r = peek(t, addr, &word);
		break;
	case PTRACE_PEEKUSER:
		r = peek_user(t, addr, &word);
		break;
	case PTRACE_GETEVENTMSG:
		word = (uint32_t)t->ptrace.message;
		r = 0;
		break;
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		*result = poke(t, addr, (uint32_t)data);
		return true;
	case PTRACE_POKEUSER:
		*result = poke_user(t, addr, (uint32_t)data);
		return true;
	case PTRACE_GETREGS:
	case PTRACE_SETREGS:
		*result = regs_copy(t, data, REGS_32 * 4, request == PTRACE_SETREGS);
		return true;
	case PTRACE_GETFPREGS:
	case PTRACE_SETFPREGS:
		*result = fsave_copy(t, data, FSAVE_BYTES, request == PTRACE_SETFPREGS);
		return true;
	case PTRACE_GETFPXREGS:
	case PTRACE_SETFPXREGS:
		*result = fxsave_copy(t, data, FXSAVE_BYTES, request == PTRACE_SETFPXREGS);
		return true;
	default:
		return false;
	}
	*result = r ? r : copy_to_user(data, &word, sizeof(word));
	return true;
}
