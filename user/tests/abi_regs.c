/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/regs.S user/tests/ktap.c */
/*
 * The register test of ring 3: every general register, the flags a program may set, segments, FS
 * and GS base, SSE or AVX state, MXCSR and the x87 control word survive each way into the kernel,
 * as the ABI says. A system call may change RAX, and leaves RIP in RCX and flags in R11; nothing
 * else changes anything. Rivals with other patterns share the CPUs, so that what is lost by a
 * switch is replaced by something else.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "ktap.h"
#include "regs.h"

#define ARCH_SET_GS 0x1001
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

#define ARITH 0x8d5u /* CF PF AF ZF SF OF */
#define DF    0x400u
#define AC    0x40000u
#define ID    0x200000u

static const char *const names[GPRS] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
					"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const segs[6] = {"cs", "ss", "ds", "es", "fs", "gs"};
static char why[200];

static uint64_t random64(void)
{
	static uint64_t x;

	if (!x)
		x = 0x9e3779b97f4a7c15u * (uint64_t)(getpid() + 1);
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void pattern(uint64_t flags)
{
	for (int i = 0; i < GPRS; i++)
		regs_in.gpr[i] = random64();
	for (int i = 0; i < 16; i++) {
		for (int j = 0; j < 32; j += 8) {
			uint64_t v = random64();

			memcpy(&regs_in.vec[i][j], &v, 8);
		}
	}
	regs_in.flags = 0x202 | flags;
	regs_in.mxcsr = 0x1f80 | (random64() & 3) << 13;
	regs_in.fcw = (uint16_t)(0x37f | (random64() & 3) << 10);
	memset(&regs_out, 0x5a, sizeof(regs_out));
}

/* Compares all but the registers of `except` and, of the flags, those of `mask`. */
static bool same(unsigned except, uint64_t mask)
{
	size_t width = regs_avx ? 32 : 16;

	for (int i = 0; i < GPRS; i++) {
		if (!(except & 1u << i) && regs_in.gpr[i] != regs_out.gpr[i]) {
			snprintf(why, sizeof(why), "%s: %#lx became %#lx", names[i], regs_in.gpr[i],
				 regs_out.gpr[i]);
			return false;
		}
	}
	if ((regs_in.flags ^ regs_out.flags) & (mask | 0x100)) {
		snprintf(why, sizeof(why), "flags: %#lx became %#lx", regs_in.flags,
			 regs_out.flags);
		return false;
	}
	for (int i = 0; i < 6; i++) {
		if (regs_in.seg[i] != regs_out.seg[i]) {
			snprintf(why, sizeof(why), "%s: %#x became %#x", segs[i], regs_in.seg[i],
				 regs_out.seg[i]);
			return false;
		}
	}
	if (regs_in.mxcsr != (regs_out.mxcsr & ~0x3fu) || regs_in.fcw != regs_out.fcw) {
		snprintf(why, sizeof(why), "mxcsr %#x became %#x, x87 control %#x became %#x",
			 regs_in.mxcsr, regs_out.mxcsr, regs_in.fcw, regs_out.fcw);
		return false;
	}
	for (int i = 0; i < 16; i++) {
		if (memcmp(regs_in.vec[i], regs_out.vec[i], width)) {
			snprintf(why, sizeof(why), "vector register %d changed", i);
			return false;
		}
	}
	return true;
}

static void report(bool ok, const char *name)
{
	if (!ktap_ok(ok, "%s", name))
		ktap_note("%s", why);
}

static const uint64_t flag_sets[] = {0, ARITH, DF, AC, ID, ARITH | DF | AC | ID, 0x41, 0x894};
#define FLAG_SETS (sizeof(flag_sets) / sizeof(flag_sets[0]))

/* One system call with every set of flags. */
static bool syscall_keeps(uint64_t nr, const uint64_t args[6], bool check_result, uint64_t result)
{
	static const int order[6] = {RDI, RSI, RDX, R10, R8, R9};

	for (unsigned f = 0; f < FLAG_SETS; f++) {
		pattern(flag_sets[f]);
		regs_in.gpr[RAX] = nr;
		for (int i = 0; args && i < 6; i++)
			regs_in.gpr[order[i]] = args[i];
		regs_syscall();
		if (!same(1u << RAX | 1u << RCX | 1u << R11, ARITH | DF | AC | ID))
			return false;
		if (regs_out.gpr[RCX] != (uint64_t)(uintptr_t)regs_after_syscall ||
		    ((regs_out.gpr[R11] ^ regs_in.flags) & ~0x10002ul)) {
			snprintf(why, sizeof(why), "rcx %#lx, r11 %#lx", regs_out.gpr[RCX],
				 regs_out.gpr[R11]);
			return false;
		}
		if (check_result && regs_out.gpr[RAX] != result) {
			snprintf(why, sizeof(why), "the call gave %#lx", regs_out.gpr[RAX]);
			return false;
		}
	}
	return true;
}

static void on_signal(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	char junk[512];

	(void)info;
	/* The handler has its own values in the vector registers and in the general ones. */
	memset(junk, sig, sizeof(junk));
	__asm__ volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm7; movups 32(%0), %%xmm15"
			 :
			 : "r"(junk)
			 : "xmm0", "xmm7", "xmm15", "memory");
	if (sig == SIGILL)
		uc->uc_mcontext.gregs[REG_RIP] += 2;
	if (sig == SIGFPE)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)regs_after_div;
}

static void test_syscalls(void)
{
	uint64_t nap[6] = {0}, bad[6] = {0x1111111111111111, 0x8000000000000000, ~0ul, 1, 2, 3};
	struct timespec ms = {0, 3000000};
	char buf[16];
	int fd[2];

	report(syscall_keeps(SYS_getppid, NULL, true, (uint64_t)getppid()), "getppid");
	report(syscall_keeps(0x7fff, NULL, true, (uint64_t)-ENOSYS),
	       "a number that does not exist");
	report(syscall_keeps(~0ul, NULL, true, (uint64_t)-ENOSYS), "number -1");
	report(syscall_keeps(SYS_write, bad, true, (uint64_t)-EBADF), "write to a bad descriptor");
	report(syscall_keeps(SYS_sched_yield, NULL, true, 0), "sched_yield");
	nap[0] = (uint64_t)(uintptr_t)&ms;
	report(syscall_keeps(SYS_nanosleep, nap, true, 0), "nanosleep, which sleeps");
	if (pipe(fd) == 0) {
		uint64_t io[6] = {(uint64_t)fd[1], (uint64_t)(uintptr_t) "sixteen bytes...", 16};

		report(syscall_keeps(SYS_write, io, true, 16), "write to a pipe");
		io[0] = (uint64_t)fd[0];
		io[1] = (uint64_t)(uintptr_t)buf;
		report(syscall_keeps(SYS_read, io, true, 16), "read from a pipe");
		close(fd[0]);
		close(fd[1]);
	}
}

/* Calls that do not come back, or come back elsewhere, or wait for what never happens. */
static bool returns(uint64_t nr)
{
	static const uint64_t others[] = {SYS_rt_sigreturn, SYS_pause,         SYS_clone,
					  SYS_fork,         SYS_vfork,         SYS_exit,
					  SYS_exit_group,   SYS_rt_sigsuspend, SYS_poll};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (nr == others[i])
			return false;
	return true;
}

static int call_in_child(void *nr)
{
	/* Descriptors, pointers, sizes and ids that cannot be right. */
	uint64_t args[6] = {0x7ffffff1,         0x8000000000000000, 0x7ffffff3,
			    0xffff800000000001, 0x7ffffffff0000005, 0x7ffffff6};

	return !syscall_keeps(*(uint64_t *)nr, args, false, 0);
}

/* Every number there is. Not on a kernel one may have work on: some change the whole machine. */
static void test_every_syscall(void)
{
	struct utsname uts;
	int bad = 0;

	if (uname(&uts) || !strstr(uts.release, "kaiser")) {
		ktap_skip("every system call", "not the kernel under test");
		return;
	}
	for (uint64_t nr = 0; nr < 480; nr++) {
		int status = returns(nr) ? ktap_child(call_in_child, &nr) : 0;

		if (status) {
			ktap_note("system call %lu: %s", nr, ktap_status(status));
			bad++;
		}
	}
	ktap_ok(bad == 0, "every system call");
}

/* Both returns of fork come with the caller's registers. */
static void test_fork(void)
{
	int status;

	pattern(ARITH | DF);
	regs_in.gpr[RAX] = SYS_fork;
	regs_syscall();
	bool ok = same(1u << RAX | 1u << RCX | 1u << R11, ARITH | DF);

	if (regs_out.gpr[RAX] == 0)
		_exit(ok ? 0 : 1);
	report(ok && (int64_t)regs_out.gpr[RAX] > 0, "fork, in the parent");
	waitpid((pid_t)regs_out.gpr[RAX], &status, 0);
	ktap_ok(status == 0, "fork, in the child");
}

static void test_events(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	bool touch = true, trap = true, ill = true, div = true;
	size_t len = 64 * 4096;

	sigaction(SIGTRAP, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; i < 64 && touch; i++) {
		pattern(flag_sets[i % FLAG_SETS]);
		regs_in.gpr[RDI] = (uint64_t)(uintptr_t)(p + i * 4096);
		regs_touch();
		touch = same(0, DF | AC | ID) && p[i * 4096] == 1;
	}
	munmap(p, len);
	report(touch, "page fault, first touch");
	for (unsigned i = 0; i < FLAG_SETS && trap && ill && div; i++) {
		uint64_t f = flag_sets[i] & ~(uint64_t)AC;

		pattern(f);
		regs_int3();
		trap = same(0, ARITH | DF | ID);
		pattern(f);
		regs_ud2();
		ill = same(0, ARITH | DF | ID);
		pattern(f);
		regs_in.gpr[RBX] = 0;
		regs_div();
		div = same(0, DF | ID);
	}
	report(trap, "int3, handler and sigreturn");
	report(ill, "ud2, handler and sigreturn");
	report(div, "division by zero, handler and sigreturn");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int spin(double seconds)
{
	double end = now() + seconds;

	do {
		pattern(DF | ID);
		regs_count = 20000;
		regs_bad = 0;
		regs_spin();
		if (regs_bad || !same(0, DF | ID))
			return 1;
	} while (now() < end);
	return 0;
}

static void test_preemption(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int rivals = cpus > 0 && cpus < 8 ? (int)cpus * 2 : 8, bad = 0, status;

	report(spin(0.2) == 0, "200 ms of computing, alone");
	for (int i = 0; i < rivals; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(spin(1.0));
		if (pid < 0)
			bad++;
	}
	report(spin(1.0) == 0, "1 s of computing, against rivals");
	for (int i = 0; i < rivals; i++) {
		if (wait(&status) < 0 || status)
			bad++;
	}
	ktap_ok(bad == 0, "and the %d rivals", rivals);
}

/* A timer's signal at any instruction of the loop: the frame carries everything. */
static void on_alarm(int sig)
{
	(void)sig;
	__asm__ volatile("pcmpeqd %%xmm3, %%xmm3; pxor %%xmm9, %%xmm9" ::: "xmm3", "xmm9");
}

static void test_timer_signals(void)
{
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	struct itimerval every = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};

	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &every, NULL);
	int bad = spin(0.4);

	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	report(bad == 0, "a timer signal every 2 ms");
}

static void test_bases(void)
{
	static uint64_t area[2][4] = {{0x1111, 2}, {0x3333, 4}};
	uint64_t base = 0, got = 0, fs = 0, fs2 = 0;
	struct timespec ms = {0, 2000000};
	bool ok = true;

	for (int i = 0; i < 2; i++) {
		syscall(SYS_arch_prctl, ARCH_SET_GS, area[i]);
		nanosleep(&ms, NULL);
		sched_yield();
		__asm__ volatile("mov %%gs:0, %0" : "=r"(got));
		syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
		ok = ok && got == area[i][0] && base == (uint64_t)(uintptr_t)area[i];
	}
	ktap_ok(ok, "GS base by arch_prctl");
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	nanosleep(&ms, NULL);
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs2);
	__asm__ volatile("mov %%fs:0, %0" : "=r"(got));
	ktap_ok(fs == fs2 && got == fs, "FS base stays the thread's");
	errno = 0;
	long r = syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000ul);

	ktap_ok(r == -1 && errno == EPERM, "GS base in the kernel half is refused");
	if (getauxval(AT_HWCAP2) & 2) {
		uint64_t want = (uint64_t)(uintptr_t)&area[0][2];

		__asm__ volatile("wrgsbase %0" : : "r"(want));
		nanosleep(&ms, NULL);
		__asm__ volatile("rdgsbase %0" : "=r"(got));
		ktap_ok(got == want, "GS base by WRGSBASE");
	} else {
		ktap_skip("GS base by WRGSBASE", "no FSGSBASE for programs");
	}
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
}

static void test_selectors(void)
{
	struct timespec ms = {0, 2000000};
	uint16_t ds, es, gs;

	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(0x2b));
	nanosleep(&ms, NULL);
	spin(0.1);
	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%gs, %2" : "=r"(ds), "=r"(es), "=r"(gs));
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(0));
	ktap_ok(ds == 0x2b && es == 0x2b && gs == 0x2b, "selectors in DS, ES and GS stay");
}

int main(void)
{
	unsigned a, b, c, d, xcr0;

	ktap_start();
	if (__get_cpuid(1, &a, &b, &c, &d) && (c & 1u << 27) && (c & 1u << 28)) {
		__asm__ volatile("xgetbv" : "=a"(xcr0) : "c"(0) : "edx");
		regs_avx = (xcr0 & 6) == 6;
	}
	ktap_note("vector state: %s", regs_avx ? "AVX" : "SSE");
	pattern(ARITH);
	regs_none();
	report(same(0, ARITH), "the harness itself");
	test_syscalls();
	test_every_syscall();
	test_fork();
	test_events();
	test_preemption();
	test_timer_signals();
	test_bases();
	test_selectors();
	return ktap_end();
}
