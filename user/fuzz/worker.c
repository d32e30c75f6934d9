/* SPDX-License-Identifier: MIT */
/*
 * A worker: runs sequences in itself. Its handler uses nothing that a sequence can have spoilt: no
 * thread-local storage, no stack but its own. A sequence that goes on for two ticks is ended.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fuzz.h"

static struct progress *progress;
static uint64_t tick_index = UINT64_MAX;
static uint8_t handler_stack[65536];
static uint64_t own_fs;

static long call(long nr, long a, long b, long c, long d)
{
	long r;

	register long r10 __asm__("r10") = d;
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return r;
}

static void on_signal(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	greg_t *g = uc->uc_mcontext.gregs;

	(void)info;
	progress->signals[sig]++;
	if (!fuzz_running) {
		/* Memory of the worker itself is gone: another one goes on. */
		if (sig != SIGALRM && sig != SIGUSR1)
			call(SYS_exit_group, 8, 0, 0, 0);
		return;
	}
	if (sig == SIGALRM && tick_index != progress->index) {
		tick_index = progress->index;
		return;
	}
	if (sig == SIGUSR1) /* asked for: it goes on */
		return;
	g[REG_RIP] = (greg_t)(uintptr_t)fuzz_resume;
	g[REG_RSP] = (greg_t)(uintptr_t)(handler_stack + 32768);
	g[REG_EFL] = 0x202;
	g[REG_CSGSFS] = (greg_t)0x002b000000000033;
	uc->uc_flags &= ~4ul;
	uc->uc_mcontext.fpregs = NULL;
	memset(&uc->uc_sigmask, 0, 8);
	uc->uc_stack.ss_sp = handler_stack;
	uc->uc_stack.ss_size = sizeof(handler_stack);
	uc->uc_stack.ss_flags = 0;
}

static void arm(void)
{
	static const int sigs[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS,
				   SIGFPE,  SIGSYS, SIGALRM, SIGUSR1};
	struct sigaction sa = {.sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	stack_t st = {.ss_sp = handler_stack, .ss_size = sizeof(handler_stack)};
	struct itimerval tick = {{0, 20000}, {0, 20000}};
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	sigaltstack(&st, NULL);
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	call(SYS_arch_prctl, 0x1003, (long)&own_fs, 0, 0);
}

/* Before code of the C library runs: its thread-local storage is where FS was. And a child that
 * noise made ends: there must be one worker only. */
static void settle(pid_t pid)
{
	call(SYS_arch_prctl, 0x1002, (long)own_fs, 0, 0);
	if (call(SYS_getpid, 0, 0, 0, 0) != pid)
		call(SYS_exit_group, 0, 0, 0, 0);
}

static struct arena *arena_map(void)
{
	/* Low, and shared with a traced child. */
	void *at =
		mmap((void *)0x20000000, sizeof(struct arena), PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void worker_run(const struct job *job)
{
	struct generator g = {.arena = arena_map(), .pid = (uint32_t)getpid()};
	pid_t pid = getpid();

	progress = &job->shared->worker[job->worker];
	if (!g.arena || setgid(1000) != 0 || setuid(1000) != 0) {
		progress->unfit = true;
		_exit(9);
	}
	arm();
	for (uint64_t i = job->first; i < job->end; i += job->step) {
		struct start s;

		progress->index = i;
		if (job->verbose) {
			settle(pid);
			printf("# sequence %lu\n", (unsigned long)i);
			fflush(stdout);
		}
		if (i % TRACED_EVERY == TRACED_EVERY - 1) {
			settle(pid);
			trace_one(&g, job->seed, i, progress);
		} else {
			generate(&g, job->seed, i, &s);
			fuzz_enter(&s);
		}
		/* Children that noise made may count too: each sequence counts once. */
		if (progress->done < (i - job->origin) / job->step + 1)
			progress->done = (i - job->origin) / job->step + 1;
	}
	progress->index = UINT64_MAX;
	_exit(0);
}
