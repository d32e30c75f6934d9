/* SPDX-License-Identifier: MIT */
/* One sequence in a traced child: registers, breakpoints and requests drawn at random at each stop.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

enum { REGS = 27, R_ORIG_AX = 15, R_IP, R_CS, R_FLAGS, R_SP, R_SS, R_FS_BASE, R_GS_BASE, R_DS };
enum { DEBUGREG = 848, STEPS = 8 };

static pid_t tracee;
static uint64_t clean[REGS];

static long pt(long request, uint64_t addr, uint64_t data)
{
	return syscall(SYS_ptrace, request, tracee, addr, data);
}

/* A 32-bit tracer's word into i386's struct user, by INT 0x80: registers, debug registers, what is
 * beyond. */
static void poke32(uint64_t v)
{
	enum { NR32_PTRACE = 26, USER_WORDS = 73 };
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(NR32_PTRACE), "b"(PTRACE_POKEUSER), "c"(tracee),
			   "d"(4 * ((v >> 32 ^ v >> 3) % USER_WORDS)), "S"((uint32_t)v)
			 : "memory", "r8", "r9", "r10", "r11");
}

/* Ticks of SIGALRM end the wait of a child that hangs. The status, -1: it is gone. */
static int await(void)
{
	int status;

	for (int ticks = 0;;) {
		pid_t got = waitpid(tracee, &status, __WALL);

		if (got == tracee && !WIFSTOPPED(status)) {
			tracee = 0;
			return -1;
		}
		if (got == tracee)
			return status;
		if (errno != EINTR) {
			tracee = 0;
			return -1;
		}
		if (++ticks > 4)
			kill(tracee, SIGKILL);
	}
}

static bool ready(void)
{
	if (tracee)
		return true;
	tracee = fork();
	if (tracee == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		for (;;)
			__asm__ volatile("ud2");
	}
	if (tracee < 0 || await() < 0) {
		tracee = 0;
		return false;
	}
	return pt(PTRACE_GETREGS, 0, (uint64_t)(uintptr_t)clean) == 0;
}

static void change(struct generator *g)
{
	unsigned r = rng_below(&g->rng, REGS + 12);
	uint64_t v = gen_value(g);

	if (r == R_CS || r == R_SS || (r >= R_DS && r < REGS))
		v = gen_selector(g);
	else if (r == R_FLAGS)
		v = gen_flags(g);
	else if (r == R_IP && rng_below(&g->rng, 2))
		v = (uint64_t)(uintptr_t)g->arena->code;
	if (r < REGS) {
		pt(PTRACE_POKEUSER, 8 * r, v);
		return;
	}
	r -= REGS;
	if (r >= 8) {
		poke32(v);
		return;
	}
	if (r == 7)
		v = (rng_next(&g->rng) & 0xffff0000) | (rng_next(&g->rng) & 0x23ff);
	pt(PTRACE_POKEUSER, DEBUGREG + 8 * r, v);
}

/* An enabled breakpoint where the code or the scratch memory is likely to be touched. */
static void breakpoint(struct generator *g)
{
	unsigned kind = (unsigned[]){0, 1, 3}[rng_below(&g->rng, 3)];
	uint64_t at = kind ? (uint64_t)(uintptr_t)g->arena->scratch +
				      8 * rng_below(&g->rng, SCRATCH_BYTES / 8)
			   : (uint64_t)(uintptr_t)g->arena->code + rng_below(&g->rng, 64);

	if (kind && rng_below(&g->rng, 2))
		at = (uint64_t)(uintptr_t)g->arena->scratch + 8 * rng_below(&g->rng, 8);
	pt(PTRACE_POKEUSER, DEBUGREG, at);
	pt(PTRACE_POKEUSER, DEBUGREG + 56, 1 | (uint64_t)(kind | (kind ? 2 << 2 : 0)) << 16);
}

void trace_one(struct generator *g, uint64_t seed, uint64_t index, struct progress *p)
{
	static const long requests[] = {
		PTRACE_CONT,    PTRACE_SINGLESTEP, PTRACE_SINGLESTEP,       PTRACE_SINGLESTEP,
		PTRACE_SYSCALL, PTRACE_SYSEMU,     PTRACE_SYSEMU_SINGLESTEP};
	struct start s;

	if (!ready())
		return;
	generate(g, seed, index, &s);
	clean[R_IP] = s.ip;
	clean[R_ORIG_AX] = UINT64_MAX;
	clean[R_SP] = s.reg[RSP];
	pt(PTRACE_SETREGS, 0, (uint64_t)(uintptr_t)clean);
	pt(PTRACE_POKEUSER, DEBUGREG + 56, 0);
	if (rng_below(&g->rng, 2))
		breakpoint(g);
	for (unsigned n = 1 + rng_below(&g->rng, STEPS); n > 0 && tracee; n--) {
		long request = requests[rng_below(&g->rng, 7)];

		for (unsigned c = rng_below(&g->rng, 3); c > 0; c--)
			change(g);
		if (pt(request, 0, rng_below(&g->rng, 6) ? 0 : rng_below(&g->rng, 32)) != 0)
			continue;
		if (await() < 0)
			p->traced_deaths++;
		else
			p->traced_stops++;
	}
}
