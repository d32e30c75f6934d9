/* SPDX-License-Identifier: MIT */
/* Single steps and debug registers. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "ptrace.h"

/* The labels of a piece of code, for addresses. */
#define CODE(name, text)                                                                           \
	extern const char name##_start[], name##_end[];                                            \
	__asm__(".text\n.globl " #name "_start, " #name "_end\n" #name "_start:\n" text "\n" #name \
		"_end: ret\n");                                                                    \
	static int name(void *arg)                                                                 \
	{                                                                                          \
		(void)arg;                                                                         \
		__asm__ volatile("int3; call " #name "_start" ::                                   \
					 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9",   \
					   "r10", "r11", "memory", "cc");                          \
		return 0;                                                                          \
	}

CODE(plain_code, "nop; nop; mov $1, %eax; xor %ebx, %ebx")
CODE(call_code, "nop; mov $110, %eax; syscall; nop; mov $0x7777, %eax; syscall; nop")
CODE(popf_code, "pushfq; pushfq; popfq; popfq; nop; nop")
CODE(rep_code, "sub $64, %rsp; mov %rsp, %rdi; mov $4, %ecx; rep stosb; add $64, %rsp")

static siginfo_t info;

static int si_code(pid_t pid)
{
	memset(&info, 0, sizeof(info));
	pt(PTRACE_GETSIGINFO, pid, 0, (uint64_t)(uintptr_t)&info);
	return info.si_code;
}

static uint64_t ip_of(pid_t pid)
{
	uint64_t v = 0;

	pt(PTRACE_PEEKUSER, pid, U_REG(ip), (uint64_t)(uintptr_t)&v);
	return v;
}

/* Steps from start to end; how many it took, -1: it went astray. TF never shows, unless the program
 * itself loads flags, which then hold it. */
static int steps(int (*fn)(void *), const char *start, const char *end)
{
	pid_t pid = traced_child(fn, NULL);
	uint64_t from = (uint64_t)(uintptr_t)start, to = (uint64_t)(uintptr_t)end, last = 0;
	int n = -1;

	go(PTRACE_CONT, pid, 0); /* the int3 */
	for (int i = 0; i < 60; i++) {
		struct regs r;
		int status = go(PTRACE_SINGLESTEP, pid, 0);

		get_regs(pid, &r);
		if (status != STOP(SIGTRAP) || (r.flags & 0x100 && fn != popf_code)) {
			n = -1;
			break;
		}
		if (r.ip == from && n < 0)
			n = 0;
		else if (n >= 0)
			n++;
		if (r.ip == to)
			break;
		if (n > 0 && (r.ip < from || r.ip > to || (r.ip == last && fn != rep_code))) {
			n = -1;
			break;
		}
		last = r.ip;
	}
	pt(PTRACE_POKEUSER, pid, U_REG(flags), 0x202);
	if (go(PTRACE_CONT, pid, 0) != EXIT(0))
		n = -1;
	return n;
}

static void test_steps(void)
{
	CHECK(steps(plain_code, plain_code_start, plain_code_end) == 4, "single steps");
	CHECK(steps(call_code, call_code_start, call_code_end) == 7, "... over system calls");
	CHECK(steps(popf_code, popf_code_start, popf_code_end) == 6, "... over POPF");
	CHECK(steps(rep_code, rep_code_start, rep_code_end) >= 5, "... over REP");
}

static volatile sig_atomic_t handled;

static void on_usr1(int sig)
{
	handled = sig;
}

static int into_handler(void *arg)
{
	(void)arg;
	signal(SIGUSR1, on_usr1);
	raise(SIGUSR1);
	return handled == SIGUSR1 ? 0 : 1;
}

static void test_step_signal(void)
{
	pid_t pid = traced_child(into_handler, NULL);

	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGUSR1) &&
		      go(PTRACE_SINGLESTEP, pid, SIGUSR1) == STOP(SIGTRAP) &&
		      ip_of(pid) == (uint64_t)(uintptr_t)on_usr1,
	      "a step into a handler stops at its first instruction");
	CHECK(go(PTRACE_SINGLESTEP, pid, 0) == STOP(SIGTRAP) &&
		      ip_of(pid) != (uint64_t)(uintptr_t)on_usr1,
	      "... and goes on in it");
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(0), "... and TF is in no frame");
	pid = traced_child(call_code, NULL);
	go(PTRACE_CONT, pid, 0);
	int n = 0, status;
	while ((status = go(PTRACE_SYSEMU_SINGLESTEP, pid, 0)) == STOP(SIGTRAP) && n < 12)
		n++;
	CHECK(n == 12, "SYSEMU_SINGLESTEP steps (%#x after %d)", (unsigned)status, n);
	finish(pid);
}

/* ---- breakpoints ---------------------------------------------------------------------------- */

static volatile struct {
	uint64_t pad, word, next;
} watched __attribute__((aligned(64)));

static int touches(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		watched.word = (uint64_t)i;
		(void)watched.next;
		plain_code(NULL);
	}
	return 0;
}

#define DR7(n, kind, len) (1ul << (2 * (n)) | (uint64_t)((kind) | (len) << 2) << (16 + 4 * (n)))
enum { EXEC = 0, WRITE = 1, IO = 2, ACCESS = 3, LEN1 = 0, LEN2 = 1, LEN8 = 2, LEN4 = 3 };

static long set_dr(pid_t pid, unsigned n, uint64_t v)
{
	return pt(PTRACE_POKEUSER, pid, U_DEBUGREG(n), v);
}

static uint64_t get_dr(pid_t pid, unsigned n)
{
	uint64_t v = 0;

	pt(PTRACE_PEEKUSER, pid, U_DEBUGREG(n), (uint64_t)(uintptr_t)&v);
	return v;
}

/* Breakpoint n at addr: goes on to its stop and looks at the causes. */
static void hit(const char *name, unsigned n, uint64_t addr, unsigned kind, unsigned len,
		uint64_t ip)
{
	pid_t pid = traced_child(touches, NULL);
	int status;

	go(PTRACE_CONT, pid, 0); /* SIGUSR1 */
	CHECK(set_dr(pid, n, addr) == 0 && set_dr(pid, 7, DR7(n, kind, len)) == 0 &&
		      get_dr(pid, n) == addr && get_dr(pid, 7) == DR7(n, kind, len),
	      "%s: set", name);
	for (int i = 0; i < 2; i++) {
		while ((status = go(PTRACE_CONT, pid, 0)) == STOP(SIGUSR1) ||
		       (status == STOP(SIGTRAP) && si_code(pid) != TRAP_HWBKPT))
			;
		CHECK(status == STOP(SIGTRAP) && (get_dr(pid, 6) & 0xf) == 1ul << n &&
			      (!ip || ip_of(pid) == ip),
		      "... hit, DR6 and siginfo say so");
	}
	CHECK(set_dr(pid, 7, 0) == 0, "... off");
	set_dr(pid, 6, 0);
	while ((status = go(PTRACE_CONT, pid, 0)) == STOP(SIGUSR1) ||
	       (status == STOP(SIGTRAP) && si_code(pid) != TRAP_HWBKPT))
		;
	CHECK(status == EXIT(0) || status == -1, "... and it runs to its end (%#x)",
	      (unsigned)status);
}

static bool have_breakpoints(void)
{
	pid_t pid = traced_child(touches, NULL);
	long r = set_dr(pid, 0, (uint64_t)(uintptr_t)&watched.word);

	if (r == 0)
		r = set_dr(pid, 7, DR7(0, WRITE, LEN8));
	finish(pid);
	return r == 0;
}

static void test_breakpoints(void)
{
	uint64_t word = (uint64_t)(uintptr_t)&watched.word,
		 next = (uint64_t)(uintptr_t)&watched.next;
	uint64_t code = (uint64_t)(uintptr_t)plain_code_start + 1;

	hit("a write breakpoint", 0, word, WRITE, LEN8, 0);
	hit("an access breakpoint", 3, next, ACCESS, LEN4, 0);
	hit("an instruction breakpoint", 2, code, EXEC, LEN1, code);
}

/* What must never be: breakpoints on the kernel or the window, also by their length. */
static void test_refused(void)
{
	static const uint64_t kernel[] = {
		0x00007ffffffff000, 0x00007fffffffffff, 0x0000800000000000, 0x0100000000000000,
		0xffff800000000000, 0xffff888000100000, 0xffffffff81000000, 0xffffffffc0000000,
		0xffffffffc0025000, 0xffffffffc0026000, 0xfffffffffffffff8};
	pid_t pid = traced_child(touches, NULL);
	uint64_t word = (uint64_t)(uintptr_t)&watched.word;
	bool ok = true;

	for (unsigned i = 0; i < sizeof(kernel) / sizeof(kernel[0]); i++)
		ok = ok && set_dr(pid, i % 4, kernel[i]) == -EINVAL;
	CHECK(ok, "breakpoints on kernel addresses: EINVAL");
	CHECK(set_dr(pid, 0, 0x00007fffffffeff8) == 0 && set_dr(pid, 7, DR7(0, WRITE, LEN8)) == 0,
	      "the last words of user space");
	set_dr(pid, 7, 0);
	CHECK(set_dr(pid, 0, 0x00007fffffffeffc) == 0 &&
		      set_dr(pid, 7, DR7(0, WRITE, LEN8)) == -EINVAL,
	      "... not when the length reaches beyond");
	set_dr(pid, 0, word);
	CHECK(set_dr(pid, 7, DR7(0, IO, LEN1)) == -EINVAL, "I/O breakpoints: EINVAL");
	CHECK(set_dr(pid, 7, DR7(0, EXEC, LEN4)) == -EINVAL, "instructions of 4 bytes: EINVAL");
	set_dr(pid, 1, word + 1);
	CHECK(set_dr(pid, 7, DR7(1, WRITE, LEN2)) == -EINVAL, "misaligned: EINVAL");
	/* It does not take effect: the kernel writes DR7 at its next switch. */
	CHECK(set_dr(pid, 7, 1ul << 13 | 0xffff0000ul << 32 | DR7(0, WRITE, LEN1)) == 0,
	      "GD is dropped");
	CHECK(set_dr(pid, 4, 0) == -EIO && set_dr(pid, 5, 0) == -EIO, "DR4, DR5: EIO");
	CHECK(set_dr(pid, 6, ~0ul) == 0, "any DR6");
	set_dr(pid, 0, word);
	CHECK(set_dr(pid, 7, DR7(0, WRITE, LEN8)) == 0 &&
		      set_dr(pid, 0, 0xffffffff81000000) == -EINVAL,
	      "an enabled one is not moved onto the kernel");
	finish(pid);
}

static int forks(void *arg)
{
	int status = 0;

	(void)arg;
	raise(SIGUSR1);
	if (fork() == 0) {
		watched.word = 1;
		_exit(7);
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The kernel reads and writes the watched word: no trap there, none for the program. */
static int copies(void *arg)
{
	int fds[2];

	(void)arg;
	raise(SIGUSR1);
	if (pipe(fds) != 0 || write(fds[1], (const void *)&watched.word, 8) != 8 ||
	    read(fds[0], (void *)(uintptr_t)&watched.word, 8) != 8)
		return 1;
	return 7;
}

/* A watched stack just loaded by MOV SS, then an entry to the kernel: the #DB arrives at CPL 0. */
CODE(movss_syscall, "mov %ss, watched(%rip); mov $110, %eax; mov watched(%rip), %ss; syscall; nop")
CODE(movss_int3, "mov %ss, watched(%rip); mov watched(%rip), %ss; int3; nop")
CODE(movss_ud2, "mov %ss, watched(%rip); mov watched(%rip), %ss; ud2; nop")

static void test_threads_own(void)
{
	pid_t pid = traced_child(forks, NULL);
	uint64_t word = (uint64_t)(uintptr_t)&watched.word;

	go(PTRACE_CONT, pid, 0);
	set_dr(pid, 0, word);
	set_dr(pid, 7, DR7(0, WRITE, LEN8));
	int status = go(PTRACE_CONT, pid, 0);
	if (status == STOP(SIGCHLD))
		status = go(PTRACE_CONT, pid, 0);
	CHECK(status == EXIT(7), "a fork has no breakpoints (%#x)", (unsigned)status);

	pid = traced_child(copies, NULL);
	go(PTRACE_CONT, pid, 0);
	set_dr(pid, 0, word);
	set_dr(pid, 7, DR7(0, ACCESS, LEN8));
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(7), "the kernel's own accesses are not reported");
}

static void test_mov_ss(void)
{
	static int (*const fns[])(void *) = {movss_syscall, movss_int3, movss_ud2};
	static const char *const names[] = {"SYSCALL", "INT3", "UD2"};

	for (unsigned i = 0; i < 3; i++) {
		bool ok = true;

		for (int round = 0; round < 20; round++) {
			pid_t pid = traced_child(fns[i], NULL);
			int status;

			go(PTRACE_CONT, pid, 0);
			set_dr(pid, 0, (uint64_t)(uintptr_t)&watched);
			set_dr(pid, 7, DR7(0, ACCESS, LEN8));
			for (int n = 0; n < 20; n++) {
				status = go(round & 1 ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, 0);
				if (status < 0 || !WIFSTOPPED(status))
					break;
				if (WSTOPSIG(status) == SIGILL)
					break;
			}
			ok = ok && status >= 0;
			finish(pid);
		}
		ktap_ok(ok, "MOV SS from a watched word, then %s", names[i]);
	}
}

static int int1(void *arg)
{
	(void)arg;
	__asm__ volatile(".byte 0xf1");
	return 0;
}

static void test_causes(void)
{
	pid_t pid = traced_child(int1, NULL);

	int status = go(PTRACE_CONT, pid, 0);
	if (status == STOP(SIGILL)) /* QEMU has no such instruction */
		ktap_skip("INT1: TRAP_BRKPT", "an undefined opcode here");
	else
		CHECK(status == STOP(SIGTRAP) && si_code(pid) == TRAP_BRKPT, "INT1: TRAP_BRKPT");
	finish(pid);
	pid = traced_child(plain_code, NULL);
	CHECK(go(PTRACE_CONT, pid, 0) == STOP(SIGTRAP) && si_code(pid) == SI_KERNEL,
	      "INT3: SI_KERNEL");
	finish(pid);
	pid = traced_child(plain_code, NULL);
	go(PTRACE_CONT, pid, 0);
	CHECK(go(PTRACE_SINGLESTEP, pid, 0) == STOP(SIGTRAP) && si_code(pid) == TRAP_TRACE,
	      "a step: TRAP_TRACE");
	finish(pid);
}

void test_debug(void)
{
	test_steps();
	test_step_signal();
	test_causes();
	test_refused();
	if (!have_breakpoints()) {
		ktap_skip("breakpoints", "none to be had here");
		return;
	}
	test_breakpoints();
	test_threads_own();
	test_mov_ss();
}
