/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ia32_enter.S user/tests/ktap.c */
/* CFLAGS: -no-pie -fno-pie */
/*
 * The three 32-bit ways into the kernel from a 64-bit program, which reaches 32-bit code by a far
 * jump: every general register, the flags, the data segments; then the flags and pointers that
 * SYSENTER hands over as they are: TF, which steps the kernel's own entry code, NT, AC, DF, ID, and
 * stacks that are none.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "ktap.h"
#include "regs.h"

#define ARITH 0x8d5u /* CF PF AF ZF SF OF */
#define TF    0x100u
#define DF    0x400u
#define NT    0x4000u
#define AC    0x40000u
#define ID    0x200000u

enum { NR32_GETPID = 20, NR32_MMAP2 = 192 };

void ia32_none(void);
void ia32_int80_from64(void);
void ia32_int80(void);
void ia32_syscall(void);
void ia32_sysenter(void);
extern char ia32_at_int80_from64[], ia32_at_int80[], ia32_at_syscall[], ia32_at_sysenter[],
	ia32_after_sysenter[], ia32_back[], ia32_stack[];

enum way { NONE, INT80_FROM64, INT80, SYSCALL, SYSENTER, WAYS };
static void (*const enter[WAYS])(void) = {ia32_none, ia32_int80_from64, ia32_int80, ia32_syscall,
					  ia32_sysenter};
static const char *const way_name[WAYS] = {"no event", "INT 0x80 from 64-bit code", "INT 0x80",
					   "SYSCALL", "SYSENTER"};
static const char *const names[GPRS] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
					"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static bool has[WAYS] = {true, true, true, true, true};
static char why[200];
static uint32_t *const stack32 = (uint32_t *)ia32_stack;

static uint64_t random64(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* The registers and the stack as a program's that calls nr this way. */
static void pattern(enum way w, uint32_t nr, uint64_t flags)
{
	for (int i = 0; i < GPRS; i++) {
		regs_in.gpr[i] = random64();
		if (w != INT80_FROM64 && i < R8)
			regs_in.gpr[i] = (uint32_t)regs_in.gpr[i];
	}
	for (int i = 0; i < 8; i++)
		stack32[i] = (uint32_t)random64();
	regs_in.gpr[RSP] = (uint64_t)(uintptr_t)stack32;
	regs_in.gpr[RAX] = (regs_in.gpr[RAX] & ~0xffffffffull) | nr;
	if (w == SYSENTER) {
		regs_in.gpr[RBP] = (uint64_t)(uintptr_t)stack32;
		regs_in.gpr[RDX] = (uint64_t)(uintptr_t)ia32_after_sysenter;
	}
	regs_in.flags = 0x202 | flags;
	memset(&regs_out, 0x5a, sizeof(regs_out));
}

static bool differs(const char *what, uint64_t want, uint64_t got)
{
	if (want == got)
		return false;
	snprintf(why, sizeof(why), "%s: %#lx instead of %#lx", what, got, want);
	return true;
}

/* Everything as entry32.c promises; `result` of the call, `bp`: what EBP is afterwards. */
static bool as_promised(enum way w, uint64_t result, uint64_t bp, uint64_t flags_mask)
{
	for (int i = 0; i < GPRS; i++) {
		uint64_t want = regs_in.gpr[i];

		if (i == RAX && w != NONE)
			want = result;
		if (w == SYSCALL && i == RCX)
			want = regs_in.gpr[RBP];
		if (w == SYSCALL && i == R11) {
			if ((regs_out.gpr[i] ^ regs_in.flags) & flags_mask & ~0x10002ul)
				return !differs("r11", regs_in.flags, regs_out.gpr[i]);
			continue;
		}
		if (i == RBP && (w == SYSCALL || w == SYSENTER))
			want = bp;
		if (differs(names[i], want, regs_out.gpr[i]))
			return false;
	}
	if ((regs_in.flags ^ regs_out.flags) & flags_mask)
		return !differs("flags", regs_in.flags, regs_out.flags);
	for (int i = 2; i < 6; i++)
		if (differs("a segment", regs_in.seg[i], regs_out.seg[i]))
			return false;
	return true;
}

static void report(bool ok, const char *way, const char *what)
{
	if (!ktap_ok(ok, "%s: %s", way, what))
		ktap_note("%s", why);
}

static const uint64_t flag_sets[] = {0, ARITH, DF, AC, ID, NT, ARITH | DF | AC | ID | NT, 0x41};
#define FLAG_SETS (sizeof(flag_sets) / sizeof(flag_sets[0]))

static void test_keeps(enum way w)
{
	bool ok = true, unknown = true;

	for (unsigned i = 0; i < 4 * FLAG_SETS && ok && unknown; i++) {
		/* The way in by SYSENTER needs the arithmetic flags before it can keep them. */
		uint64_t mask = (w == SYSENTER ? 0 : ARITH) | DF | AC | ID | NT;

		pattern(w, NR32_GETPID, flag_sets[i % FLAG_SETS]);
		enter[w]();
		ok = as_promised(w, (uint64_t)getpid(), stack32[0], mask);
		if (!ok || w == NONE)
			continue;
		pattern(w, i & 1 ? 0xffffffff : 1000, flag_sets[i % FLAG_SETS]);
		enter[w]();
		unknown = as_promised(w, (uint64_t)-ENOSYS, stack32[0], mask);
	}
	report(ok && unknown, way_name[w], "registers and flags");
}

/* Six arguments, the sixth from the stack: mmap2 of the second page of a file. */
static void test_six_arguments(enum way w)
{
	char page[4096];
	FILE *f = tmpfile();
	bool ok = f != NULL;

	for (int i = 0; i < 3 && ok; i++) {
		memset(page, 'a' + i, sizeof(page));
		ok = fwrite(page, sizeof(page), 1, f) == 1;
	}
	if (!ok || fflush(f)) {
		report(false, way_name[w], "six arguments: no file");
		return;
	}
	pattern(w, NR32_MMAP2, 0);
	regs_in.gpr[RBX] = 0;
	if (w == SYSCALL)
		regs_in.gpr[RBP] = 4096; /* in the place of ECX */
	else
		regs_in.gpr[RCX] = 4096;
	regs_in.gpr[RSI] = 2; /* MAP_PRIVATE */
	regs_in.gpr[RDI] = (uint64_t)fileno(f);
	stack32[0] = 1;
	if (w == INT80 || w == INT80_FROM64)
		regs_in.gpr[RBP] = 1;
	regs_in.gpr[RDX] = 1; /* PROT_READ; SYSENTER of this program goes on there, so: */
	if (w == SYSENTER)
		regs_in.gpr[RDX] = ((uint64_t)(uintptr_t)ia32_after_sysenter & ~7ul) | 1;
	enter[w]();
	ok = regs_out.gpr[RAX] < 0xfffff000ul && regs_out.gpr[RAX] >= 0x1000 &&
	     *(char *)regs_out.gpr[RAX] == 'b';
	snprintf(why, sizeof(why), "the call gave %#lx", regs_out.gpr[RAX]);
	report(ok, way_name[w], "six arguments, memory below 4 GiB");
	fclose(f);
}

/* ---- stacks that are none ---- */

static void test_bad_stack(enum way w)
{
	static const uint32_t bad[] = {0, 3, 0x7ffffffc, 0xfffffffd, 0xffffffff};
	bool ok = true;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]) && ok; i++) {
		pattern(w, NR32_GETPID, ARITH);
		regs_in.gpr[RSP] = bad[i];
		if (w == SYSENTER)
			regs_in.gpr[RBP] = bad[i];
		enter[w]();
		if (w == SYSCALL || w == SYSENTER)
			ok = as_promised(w, (uint64_t)-EFAULT, regs_in.gpr[RBP], DF);
		else
			ok = as_promised(w, (uint64_t)getpid(), 0, ARITH);
	}
	report(ok, way_name[w], "without a stack");
}

/* ---- single steps ---- */

enum { STEPS = 64 };
static uintptr_t steps[STEPS];
static unsigned nsteps;

/* Counts, until the registers are about to be stored. */
static void on_step(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	uintptr_t ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	if (nsteps < STEPS)
		steps[nsteps] = ip;
	nsteps++;
	if (ip == (uintptr_t)ia32_back)
		uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TF;
}

/* The call is one step, or two with the instruction after it: Linux traps behind that one. The
 * kernel's own instructions are none. */
static void test_steps(enum way w, const char *at, uint64_t more)
{
	struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	bool ok = true;

	sigaction(SIGTRAP, &sa, NULL);
	for (int i = 0; i < 20 && ok; i++) {
		unsigned n;

		nsteps = 0;
		pattern(w, NR32_GETPID, TF | ARITH | more);
		enter[w]();
		n = nsteps;
		ok = as_promised(w, (uint64_t)getpid(), stack32[0], DF);
		if (ok && n >= 2 && n < STEPS &&
		    (steps[n - 1] != (uintptr_t)ia32_back || steps[n - 2] < (uintptr_t)at ||
		     steps[n - 2] > (uintptr_t)at + 10))
			ok = !differs("the step before the last", (uintptr_t)at, steps[n - 2]);
		else if (ok && (n < 17 || n >= STEPS))
			ok = !differs("steps", 17, n);
	}
	signal(SIGTRAP, SIG_DFL);
	report(ok, way_name[w],
	       more ? "single steps with NT, AC, DF" : "single steps go round the kernel");
}

static int try_way(void *arg)
{
	close(1); /* what it finds is told later */
	test_keeps(*(const enum way *)arg);
	return 0;
}

/* Which of them this CPU has, as manuals tell. TCG up to QEMU 8 has both, whatever it calls itself.
 */
static void find_ways(void)
{
	unsigned a, b, c, d;
	char vendor[13] = "";

	__cpuid(0, a, b, c, d);
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &d, 4);
	memcpy(vendor + 8, &c, 4);
	has[SYSCALL] = strcmp(vendor, "GenuineIntel") != 0;
	has[SYSENTER] = strcmp(vendor, "AuthenticAMD") != 0;
	__cpuid(0x40000000, a, b, c, d);
	for (enum way w = SYSCALL; w <= SYSENTER && b == 0x54474354 /* "TCGTCGTCGTCG" */; w++) {
		int status = has[w] ? 0 : ktap_child(try_way, &w);

		has[w] = !WIFSIGNALED(status) || WTERMSIG(status) != SIGILL;
	}
}

int main(void)
{
	static const char *const at[WAYS] = {NULL, ia32_at_int80_from64, ia32_at_int80,
					     ia32_at_syscall, ia32_at_sysenter};
	struct utsname uts;

	ktap_start();
	find_ways();
	test_keeps(NONE);
	for (enum way w = INT80_FROM64; w < WAYS; w++) {
		if (!has[w]) {
			ktap_skip(way_name[w], "this CPU does not have it");
			continue;
		}
		/* Where these two go on in a 64-bit program is KAISER's own. */
		if (w >= SYSCALL && (uname(&uts) || !strstr(uts.release, "kaiser"))) {
			ktap_skip(way_name[w], "not the kernel under test");
			continue;
		}
		test_keeps(w);
		test_six_arguments(w);
		test_bad_stack(w);
		test_steps(w, at[w], 0);
		test_steps(w, at[w], NT | AC | DF);
	}
	return ktap_end();
}
