/* SPDX-License-Identifier: MIT */
/*
 * ptrace: the registers of a frozen task, as struct user shows them.
 *
 * What a tracer writes is believed no more than what a signal frame brings back. Taken as it is:
 * what cannot harm, the general registers and any RIP and RSP; a return to a RIP that is not
 * canonical or to a selector that cannot be loaded faults at the IRET of the exit, which is
 * reported as the task's own SIGSEGV (exits by SYSRET test all they rely on: entry/user.inc).
 * Refused: a selector that is not for ring 3, a null CS or SS, a base outside user space, a
 * breakpoint on the kernel. Dropped: flags that are not a program's to change. A data selector that
 * cannot be loaded becomes null when the task next runs (segments.c).
 */
#include "ia32.h"
#include "ptrace.h"
#include "uaccess.h"

/* Linux's struct user_regs_struct. */
struct user_regs {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss, fs_base, gs_base, ds, es, fs, gs;
};
_Static_assert(sizeof(struct user_regs) == 27 * 8, "user_regs_struct");

enum {
	USER_BYTES = 928, /* sizeof(struct user), with the two words that only the kernel has */
};

/* CF PF AF ZF SF TF DF OF NT RF AC. */
#define FLAGS_SETTABLE UINT64_C(0x54dd5)

#define REG(name) (offsetof(struct user_regs, name))

/* The words of struct user_regs that are words of struct pt_regs; those before orig_ax are in the
 * same order in both. NULL: another kind. */
static uint64_t *plain(struct task *t, uint64_t offset)
{
	struct pt_regs *r = t->user_regs;

	if (offset <= REG(orig_ax))
		return (uint64_t *)((char *)r + offset);
	switch (offset) {
	case REG(ip):
		return &r->ip;
	case REG(sp):
		return &r->sp;
	case REG(cs):
		return &r->cs;
	case REG(ss):
		return &r->ss;
	default:
		return NULL;
	}
}
_Static_assert(REG(r15) == offsetof(struct pt_regs, r15) &&
		       REG(bx) == offsetof(struct pt_regs, bx) &&
		       REG(ax) == offsetof(struct pt_regs, ax) &&
		       REG(di) == offsetof(struct pt_regs, di) &&
		       REG(orig_ax) == offsetof(struct pt_regs, orig_ax),
	       "both begin alike");

static uint16_t *selector(struct task *t, uint64_t offset)
{
	switch (offset) {
	case REG(ds):
		return &t->user_ds;
	case REG(es):
		return &t->user_es;
	case REG(fs):
		return &t->user_fs;
	case REG(gs):
		return &t->user_gs;
	default:
		return NULL;
	}
}

static uint64_t get(struct task *t, uint64_t offset)
{
	const uint64_t *word = plain(t, offset);
	const uint16_t *sel = selector(t, offset);

	if (word)
		return *word;
	if (sel)
		return *sel;
	if (offset == REG(flags))
		return t->ptrace.forced_tf ? t->user_regs->flags & ~FLAGS_TF : t->user_regs->flags;
	return offset == REG(fs_base) ? t->fs_base : t->gs_base;
}

static void set_flags(struct task *t, uint64_t value)
{
	uint64_t *flags = &t->user_regs->flags;

	if (value & FLAGS_TF)
		t->ptrace.forced_tf = false; /* now the program's own */
	else if (t->ptrace.forced_tf)
		value |= FLAGS_TF;
	*flags = (*flags & ~FLAGS_SETTABLE) | (value & FLAGS_SETTABLE);
}

/* Null, or of ring 3. */
static bool selector_ok(uint64_t value)
{
	return (uint16_t)value == 0 || (value & 3) == 3;
}

static int set(struct task *t, uint64_t offset, uint64_t value)
{
	uint16_t *sel = selector(t, offset);

	if (sel) {
		if (!selector_ok(value))
			return -EIO;
		*sel = (uint16_t)value;
		return 0;
	}
	switch (offset) {
	case REG(cs):
	case REG(ss):
		if ((value & 3) != 3)
			return -EIO;
		*plain(t, offset) = (uint16_t)value;
		return 0;
	case REG(flags):
		set_flags(t, value);
		return 0;
	case REG(fs_base):
	case REG(gs_base):
		if (value >= USER_END)
			return -EIO;
		*(offset == REG(fs_base) ? &t->fs_base : &t->gs_base) = value;
		return 0;
	default:
		*plain(t, offset) = value;
		return 0;
	}
}

int ptrace_peek_user(struct task *t, uint64_t offset, uint64_t *value)
{
	if (offset % 8 || offset >= USER_BYTES)
		return -EIO;
	if (offset < sizeof(struct user_regs))
		*value = get(t, offset);
	else if (offset >= USER_DEBUGREG && offset < USER_DEBUGREG + 64)
		*value = debugreg_get(&t->debugreg, (unsigned)(offset - USER_DEBUGREG) / 8);
	else
		*value = 0;
	return 0;
}

int ptrace_poke_user(struct task *t, uint64_t offset, uint64_t value)
{
	if (offset % 8 || offset >= USER_BYTES)
		return -EIO;
	if (offset < sizeof(struct user_regs))
		return set(t, offset, value);
	if (offset < USER_DEBUGREG || offset >= USER_DEBUGREG + 64)
		return -EIO;
	return debugreg_set(&t->debugreg, (unsigned)(offset - USER_DEBUGREG) / 8, value);
}

static void get_all(struct task *t, struct user_regs *u)
{
	for (uint64_t offset = 0; offset < sizeof(*u); offset += 8)
		*(uint64_t *)((char *)u + offset) = get(t, offset);
}

/* The first that is refused ends it, those before it stay: as Linux does. */
static int set_all(struct task *t, const struct user_regs *u, uint64_t bytes)
{
	int err = 0;

	for (uint64_t offset = 0; offset < bytes && !err; offset += 8)
		err = set(t, offset, *(const uint64_t *)((const char *)u + offset));
	return err;
}

int ptrace_get_regs(struct task *t, uint64_t to)
{
	struct user_regs u;

	get_all(t, &u);
	return copy_to_user(to, &u, sizeof(u));
}

int ptrace_set_regs(struct task *t, uint64_t from)
{
	struct user_regs u;

	if (copy_from_user(&u, from, sizeof(u)) != 0)
		return -EFAULT;
	return set_all(t, &u, sizeof(u));
}

/* ---- FPU: signal_fpu.c knows the formats ---------------------------------------------------- */

int ptrace_get_fpregs(struct task *t, uint64_t to)
{
	return copy_to_user(to, t->fpu, FXSAVE_BYTES);
}

int ptrace_set_fpregs(struct task *t, uint64_t from)
{
	return fpu_image_set(t, from, FXSAVE_BYTES);
}

static int get_xstate(struct task *t, uint64_t to, uint64_t bytes)
{
	uint64_t features;
	int err;

	if (!cpu_has(CPU_XSAVE))
		return -ENODEV;
	err = copy_to_user(to, t->fpu, bytes);
	/* Software's own bytes tell a debugger what XCR0 is. */
	features = fpu_format.features;
	if (!err && bytes >= FPU_OFF_SW + sizeof(features))
		err = copy_to_user(to + FPU_OFF_SW, &features, sizeof(features));
	return err;
}

/* ---- register sets -------------------------------------------------------------------------- */

/* A task in 32-bit code has other ones, whoever asks. */
static int regset_copy(struct task *t, uint64_t type, uint64_t base, uint64_t *len, bool to_task)
{
	struct user_regs u;
	uint64_t size;
	int r;

	if (t->user_regs->cs != KAISER_USER_CS && ia32_regset(t, type, base, len, to_task, &r))
		return r;
	switch (type) {
	case NT_PRSTATUS:
		size = sizeof(u);
		break;
	case NT_PRFPREG:
		size = FXSAVE_BYTES;
		break;
	case NT_X86_XSTATE:
		if (!cpu_has(CPU_XSAVE))
			return -ENODEV;
		size = fpu_format.bytes;
		break;
	default:
		return -EINVAL;
	}
	if (*len % 8)
		return -EINVAL;
	*len = MIN(*len, size);
	if (type == NT_PRSTATUS && to_task)
		return copy_from_user(&u, base, *len) ? -EFAULT : set_all(t, &u, *len);
	if (type == NT_PRSTATUS) {
		get_all(t, &u);
		return copy_to_user(base, &u, *len);
	}
	if (to_task)
		/* Half an image is none. */
		return *len < size ? -EFAULT : fpu_image_set(t, base, *len);
	return type == NT_X86_XSTATE ? get_xstate(t, base, *len) : copy_to_user(base, t->fpu, *len);
}

int ptrace_regset(struct task *t, uint64_t type, uint64_t iov_va, bool to_task)
{
	bool narrow = in_ia32_call();
	int64_t iov[2]; /* where, how long */
	uint64_t len;
	int err;

	if (longs_from_user(iov, iov_va, 2, narrow) != 0)
		return -EFAULT;
	len = narrow ? (uint32_t)iov[1] : (uint64_t)iov[1];
	err = regset_copy(t, type, narrow ? (uint32_t)iov[0] : (uint64_t)iov[0], &len, to_task);
	if (err)
		return err;
	iov[1] = (int64_t)len;
	return longs_to_user(iov_va + (narrow ? 4 : 8), &iov[1], 1, narrow);
}

/* ---- single steps --------------------------------------------------------------------------- */

/* Whether the next instruction loads TF by itself: POPF or IRET, behind any prefixes. */
static bool loads_flags(struct task *t)
{
	uint8_t code[15];
	long n = t->mm ? mm_peek(t->mm, t->user_regs->ip, code, sizeof(code)) : 0;

	for (long i = 0; i < n; i++) {
		switch (code[i]) {
		case 0x9d:
		case 0xcf:
			return true;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x66:
		case 0x67:
		case 0xf0:
		case 0xf2:
		case 0xf3:
			continue;
		default:
			if ((code[i] & 0xf0) == 0x40 && t->user_regs->cs == KAISER_USER_CS)
				continue; /* REX */
			return false;
		}
	}
	return false;
}

void ptrace_step_on(struct task *t)
{
	uint64_t *flags = &t->user_regs->flags;

	t->ptrace.step = true;
	if (!(*flags & FLAGS_TF))
		t->ptrace.forced_tf = true;
	*flags |= FLAGS_TF;
	if (loads_flags(t))
		t->ptrace.forced_tf = false; /* what it loads is the program's */
}

void ptrace_step_off(struct task *t)
{
	if (t->ptrace.forced_tf)
		t->user_regs->flags &= ~FLAGS_TF;
	t->ptrace.step = t->ptrace.forced_tf = false;
}
