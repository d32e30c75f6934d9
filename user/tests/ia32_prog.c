/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ia32_vdso.S user/tests/dirents.c user/tests/ktap.c */
/* BITS: 32 */
/* CFLAGS: -m32 -msse2 */
/*
 * A 32-bit program: calls through the vDSO with every register and flag, single steps through it,
 * both kinds of signal frame and both ways back, hostile frames, restarted calls, segments of a
 * thread's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "dirents.h"
#include "ktap.h"

#define ARITH 0x8d5u
#define TF    0x100u
#define DF    0x400u
#define NT    0x4000u
#define AC    0x40000u
#define ID    0x200000u

_Static_assert(sizeof(void *) == 4, "built with -m32");

/* ia32_vdso.S: eax ebx ecx edx esi edi ebp flags, before and after one call. */
enum { EAX, EBX, ECX, EDX, ESI, EDI, EBP, FLAGS, REGS };
extern uint32_t vdso_in[REGS], vdso_out[REGS], vdso_target;
extern char vdso_done[];
void vdso_call(void);
void int80_entry(void);

static char why[200];
static uint32_t sysinfo;

static uint32_t random32(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)x;
}

static void pattern(uint32_t nr, uint32_t flags)
{
	for (int i = 0; i < REGS; i++)
		vdso_in[i] = random32();
	vdso_in[EAX] = nr;
	vdso_in[FLAGS] = 0x202 | flags;
	memset(vdso_out, 0x5a, sizeof(uint32_t) * REGS);
}

static bool as_promised(uint32_t result, uint32_t mask)
{
	for (int i = 0; i < FLAGS; i++) {
		uint32_t want = i == EAX ? result : vdso_in[i];

		if (vdso_out[i] != want) {
			snprintf(why, sizeof(why), "register %d: %#x instead of %#x", i,
				 vdso_out[i], want);
			return false;
		}
	}
	if ((vdso_in[FLAGS] ^ vdso_out[FLAGS]) & mask) {
		snprintf(why, sizeof(why), "flags: %#x became %#x", vdso_in[FLAGS],
			 vdso_out[FLAGS]);
		return false;
	}
	return true;
}

static void report(bool ok, const char *name)
{
	if (!ktap_ok(ok, "%s", name))
		ktap_note("%s", why);
	strcpy(why, "");
}

static void test_calls(void)
{
	static const uint32_t flags[] = {0, DF, AC, ID, NT, DF | AC | ID | NT};
	bool ok = true;

	for (unsigned i = 0; i < 48 && ok; i++) {
		pattern(SYS_getpid, flags[i % 6] | (i & 8 ? ARITH : 0));
		vdso_call();
		ok = as_promised((uint32_t)getpid(), DF | AC | ID | NT);
		pattern(9999, flags[i % 6]);
		vdso_call();
		ok = ok && as_promised((uint32_t)-ENOSYS, DF | AC | ID | NT);
	}
	report(ok, "registers and flags over calls through the vDSO");

	pattern(SYS_mmap2, 0);
	vdso_in[EBX] = 0;
	vdso_in[ECX] = 3 * 4096;
	vdso_in[EDX] = PROT_READ | PROT_WRITE;
	vdso_in[ESI] = MAP_PRIVATE | MAP_ANONYMOUS;
	vdso_in[EDI] = (uint32_t)-1;
	vdso_in[EBP] = 0;
	vdso_call();
	ok = as_promised(vdso_out[EAX], 0) && vdso_out[EAX] >= 4096 && vdso_out[EAX] < 0xfffff000;
	if (ok)
		memset((void *)vdso_out[EAX], 1, 3 * 4096);
	report(ok, "six arguments");
}

/* ---- single steps ---- */

static unsigned nsteps, inside, elsewhere;

static void on_step(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	uint32_t ip = (uint32_t)uc->uc_mcontext.gregs[REG_EIP];

	(void)sig;
	(void)info;
	nsteps++;
	inside += ip - sysinfo < 64;
	elsewhere += ip >= 0xfffff000;
	if (ip == (uint32_t)vdso_done)
		uc->uc_mcontext.gregs[REG_EFL] &= ~(int)TF;
}

static void test_steps(void)
{
	struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	bool ok = true;

	sigaction(SIGTRAP, &sa, NULL);
	for (unsigned i = 0; i < 20 && ok; i++) {
		nsteps = inside = elsewhere = 0;
		pattern(SYS_getpid, TF | (i & 1 ? NT | AC | DF : 0));
		vdso_call();
		ok = as_promised((uint32_t)getpid(), DF);
		/* In: three pushes, perhaps a move, the call itself; out: two pops, the return. */
		if (ok && (inside < 6 || inside > 12 || nsteps > 40 || elsewhere)) {
			snprintf(why, sizeof(why), "%u steps, %u in the vDSO", nsteps, inside);
			ok = false;
		}
	}
	signal(SIGTRAP, SIG_DFL);
	report(ok, "single steps through the vDSO");
}

/* ---- signals ---- */

struct ksigaction {
	void *handler;
	uint32_t flags;
	void *restorer;
	uint32_t mask[2];
};

static volatile int got;
static volatile uint32_t got_ds, got_sp;

/* regparm: as the kernel gives it, in EAX; the C library's way, on the stack, is tested by the
 * rest. */
static __attribute__((__regparm__(1))) void on_plain(int sig)
{
	uint16_t ds;
	double x = 1;

	__asm__ volatile("movw %%ds, %0" : "=r"(ds));
	__asm__ volatile("fninit; fld1; pxor %%xmm5, %%xmm5" ::: "xmm5");
	got = sig;
	got_ds = ds;
	got_sp = (uint32_t)&x;
}

/* Without a restorer, so by the vDSO's stubs. */
static int install(int sig, uint32_t flags, void *handler)
{
	struct ksigaction sa = {handler, flags, NULL, {0, 0}};

	return (int)syscall(SYS_rt_sigaction, sig, &sa, NULL, 8);
}

static bool survives(int sig)
{
	double st = 0;
	float in[4] = {1, 2, 3, 4}, out[4];
	uint32_t b = 0x11111111, d = 0x22222222;

	got = 0;
	__asm__ volatile("fldpi\n\t"
			 "movups %[in], %%xmm5\n\t"
			 "int $0x80\n\t"
			 "movups %%xmm5, %[out]\n\t"
			 "fstpl %[st]"
			 : [out] "=m"(out), [st] "=m"(st), "+S"(b), "+D"(d)
			 : [in] "m"(in), "a"(SYS_kill), "b"(getpid()), "c"(sig)
			 : "xmm5", "memory", "st");
	if (got == sig && st > 3.14 && st < 3.15 && !memcmp(in, out, sizeof(in)) &&
	    b == 0x11111111 && d == 0x22222222 && (got_ds & ~3u) == 0x28)
		return true;
	snprintf(why, sizeof(why), "signal %d, st %f, ds %#x", got, st, got_ds);
	return false;
}

static void test_frames(void)
{
	static char stack[65536];
	stack_t st = {.ss_sp = stack, .ss_size = sizeof(stack)}, was;
	bool ok;

	ok = !install(SIGUSR1, 0, on_plain) && survives(SIGUSR1);
	report(ok, "a handler without SA_SIGINFO, back by sigreturn");
	ok = !install(SIGUSR2, SA_SIGINFO, on_plain) && survives(SIGUSR2);
	report(ok, "a handler with SA_SIGINFO, back by rt_sigreturn");
	ok = !sigaltstack(&st, NULL) && !install(SIGUSR2, SA_SIGINFO | SA_ONSTACK, on_plain) &&
	     survives(SIGUSR2) && got_sp - (uint32_t)stack < sizeof(stack);
	report(ok, "on the alternate stack");
	ok = !sigaltstack(NULL, &was) && was.ss_sp == stack && was.ss_size == sizeof(stack) &&
	     was.ss_flags == 0;
	report(ok, "sigaltstack tells what it was told");
	st.ss_flags = SS_DISABLE;
	sigaltstack(&st, NULL);
}

static siginfo_t info_seen;
static uint32_t cr2_seen;
static char *fault_page;

static void on_fault(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;

	(void)sig;
	info_seen = *info;
	cr2_seen = uc->uc_mcontext.cr2;
	mprotect(fault_page, 4096, PROT_READ | PROT_WRITE);
}

static void on_alarm(int sig)
{
	(void)sig;
	got++;
}

static void test_info(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	union sigval v = {.sival_int = 0x12345678};
	struct timespec none = {0, 0};
	siginfo_t info;
	sigset_t set;
	bool ok;

	fault_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &sa, NULL);
	*(volatile char *)(fault_page + 5) = 7;
	signal(SIGSEGV, SIG_DFL);
	ok = info_seen.si_addr == fault_page + 5 && info_seen.si_code == SEGV_ACCERR &&
	     cr2_seen == (uint32_t)fault_page + 5;
	report(ok, "siginfo and context of a fault");

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	signal(SIGRTMIN + 3, on_alarm); /* process 1 gets no other */
	sigprocmask(SIG_BLOCK, &set, NULL);
	memset(&info, 0, sizeof(info));
	ok = !sigqueue(getpid(), SIGRTMIN + 3, v) &&
	     sigtimedwait(&set, &info, &none) == SIGRTMIN + 3 && info.si_code == SI_QUEUE &&
	     info.si_pid == getpid() && info.si_value.sival_int == 0x12345678;
	snprintf(why, sizeof(why), "errno %d, signal %d, code %d, pid %d, value %#x", errno,
		 info.si_signo, info.si_code, info.si_pid, info.si_value.sival_int);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	report(ok, "sigqueue and sigtimedwait");
}

/* ---- hostile frames ---- */

struct hostile {
	const char *name;
	int reg; /* of gregs; -1: fpstate; -2: the stack pointer itself */
	uint32_t value;
};

static const struct hostile *now_trying;

static void on_hostile(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;

	(void)sig;
	(void)info;
	if (now_trying->reg >= 0)
		uc->uc_mcontext.gregs[now_trying->reg] = (greg_t)now_trying->value;
	else if (now_trying->reg == -1)
		uc->uc_mcontext.fpregs = (fpregset_t)now_trying->value;
	else
		__asm__ volatile(
			"movl %0, %%esp; movl $173, %%eax; int $0x80" ::"r"(now_trying->value));
}

static int hostile_child(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_hostile, .sa_flags = SA_SIGINFO};

	now_trying = arg;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	return 42;
}

static void test_hostile(void)
{
	/* Deadly, all of them. */
	static const struct hostile bad[] = {
		{"CS of the kernel", REG_CS, 0x10},
		{"CS null", REG_CS, 0},
		{"CS of data", REG_CS, 0x2b},
		{"CS of the TSS", REG_CS, 0x40},
		{"CS beyond the GDT", REG_CS, 0xfff8},
		{"SS of the kernel", REG_SS, 0x18},
		{"SS null", REG_SS, 0},
		{"SS of code", REG_SS, 0x23},
		{"SS absent", REG_SS, 0x6b},
		{"EIP at nothing", REG_EIP, 0xfffffff0},
		{"FPU state at nothing", -1, 0xfffff000},
		{"a frame at nothing", -2, 0x10},
		{"a frame at the end of memory", -2, 0xfffffff0},
	};
	/* Put right, or harmless. */
	static const struct hostile odd[] = {
		{"DS of the kernel", REG_DS, 0x18},
		{"ES absent", REG_ES, 0x6b},
		{"FS beyond the GDT", REG_FS, 0xffff},
		{"flags", REG_EFL, 0xffffffff & ~TF},
		{"no FPU state", -1, 0},
	};
	char name[100];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int status = ktap_child(hostile_child, (void *)&bad[i]);

		snprintf(why, sizeof(why), "%s", ktap_status(status));
		snprintf(name, sizeof(name), "sigreturn kills: %s", bad[i].name);
		report(WIFSIGNALED(status) &&
			       (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS),
		       name);
	}
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		int status = ktap_child(hostile_child, (void *)&odd[i]);

		/* With DS or ES null the program's next access should end it. TCG does not look. */
		snprintf(why, sizeof(why), "%s", ktap_status(status));
		snprintf(name, sizeof(name), "sigreturn takes: %s", odd[i].name);
		report((WIFEXITED(status) && WEXITSTATUS(status) == 42) ||
			       (i < 2 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV),
		       name);
	}
}

/* ---- restarted calls ---- */

static void alarm_in(unsigned ms)
{
	struct itimerval it = {{0, 0}, {0, (suseconds_t)ms * 1000}};

	setitimer(ITIMER_REAL, &it, NULL);
}

static void test_restart(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct timespec nap = {0, 60000000}, left = {9, 9};
	int fd[2], status;
	char c = 0;
	long r;

	got = 0;
	if (pipe(fd)) {
		report(false, "no pipe");
		return;
	}
	sigaction(SIGALRM, &sa, NULL);
	alarm_in(20);
	r = read(fd[0], &c, 1);
	report(r == -1 && errno == EINTR && got == 1, "read is interrupted");
	alarm_in(20);
	r = nanosleep(&nap, &left);
	report(r == -1 && errno == EINTR && left.tv_sec == 0 && left.tv_nsec > 1000000,
	       "nanosleep is interrupted and tells the rest");
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	if (fork() == 0) {
		struct timespec later = {0, 100000000};

		nanosleep(&later, NULL);
		_exit(write(fd[1], "x", 1) != 1);
	}
	got = 0;
	alarm_in(20);
	r = read(fd[0], &c, 1);
	snprintf(why, sizeof(why), "read gave %ld, signals %d", r, got);
	report(r == 1 && c == 'x' && got == 1, "read is restarted, with all its arguments");
	wait(&status);
	/* By a stop: restart_syscall, without a handler. */
	pid_t pid = fork();

	if (pid == 0) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		nap.tv_nsec = 200000000;
		r = nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC, &b);
		_exit(r || (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 199);
	}
	nap.tv_nsec = 50000000;
	nanosleep(&nap, NULL);
	kill(pid, SIGSTOP);
	nanosleep(&nap, NULL);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	snprintf(why, sizeof(why), "%s", ktap_status(status));
	report(status == 0, "a sleep goes on after a stop");
	close(fd[0]);
	close(fd[1]);
}

/* ---- segments ---- */

struct desc {
	uint32_t entry, base, limit, flags;
};

static uint32_t read_fs(uint32_t offset)
{
	uint32_t v;

	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(v) : "r"(offset));
	return v;
}

static void load_fs(uint32_t entry)
{
	__asm__ volatile("movw %w0, %%fs" ::"r"(entry ? entry * 8 + 3 : 0));
}

/* TCG looks at no limits, but tells them. */
static uint32_t limit_of(uint32_t entry)
{
	uint32_t limit = 0;

	__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"(entry * 8 + 3) : "cc");
	return limit;
}

static void test_tls(void)
{
	static uint32_t words[2][2] = {{0x1111, 0x2222}, {0x3333, 0x4444}};
	static const uint32_t refused[] = {0x00, 0x50, 0x55, 0x57, 0x71};
	struct desc d = {(uint32_t)-1, (uint32_t)words[0], 7, 0x41}, e;
	bool ok = true;
	int status;

	ok = !syscall(SYS_set_thread_area, &d) && d.entry >= 12 && d.entry <= 14;
	load_fs(d.entry);
	report(ok && read_fs(4) == 0x2222, "set_thread_area chooses an entry");
	e.entry = d.entry;
	ok = !syscall(SYS_get_thread_area, &e) && e.base == d.base && e.limit == 7 &&
	     e.flags == 0x41;
	report(ok, "get_thread_area tells it");
	d.base = (uint32_t)words[1];
	ok = !syscall(SYS_set_thread_area, &d) && read_fs(0) == 0x3333;
	report(ok, "a loaded register follows its entry");
	report(limit_of(d.entry) == 7, "its limit is what was asked for");

	/* A rival on every CPU with another base. */
	pid_t pid = fork();
	struct desc mine = {d.entry, (uint32_t)words[pid == 0], 7, 0x41};

	ok = !syscall(SYS_set_thread_area, &mine);
	load_fs(d.entry);
	for (int i = 0; i < 3000 && ok; i++) {
		ok = read_fs(0) == (pid ? 0x1111u : 0x3333u);
		syscall(SYS_sched_yield);
	}
	if (pid == 0)
		_exit(!ok);
	waitpid(pid, &status, 0);
	report(ok && status == 0, "each process keeps its own");

	ok = true;
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct desc r = {d.entry, 0x1000, 0xfffff, refused[i]};

		errno = 0;
		if (syscall(SYS_set_thread_area, &r) != -1 || errno != EINVAL) {
			snprintf(why, sizeof(why), "flags %#x were taken", refused[i]);
			ok = false;
		}
	}
	e.entry = 11;
	ok = ok && syscall(SYS_get_thread_area, &e) == -1 && errno == EINVAL;
	report(ok, "code, 16-bit and absent segments and other entries are refused");
	/* Emptied while FS still names it. */
	struct desc none = {d.entry, 0, 0, 0x28};

	ok = !syscall(SYS_set_thread_area, &none);
	for (int i = 0; i < 100; i++)
		syscall(SYS_sched_yield);
	report(ok, "an entry is emptied while it is loaded");
}

static void test_personality(void)
{
	uint32_t was = (uint32_t)syscall(SYS_personality, 8), now;
	char buf[6 * 65];
	bool ok;

	ok = !syscall(SYS_uname, buf) && strcmp(buf + 4 * 65, "i686") == 0;
	now = (uint32_t)syscall(SYS_personality, 0);
	ok = ok && was == 0 && now == 8 && !syscall(SYS_uname, buf) &&
	     strcmp(buf + 4 * 65, "x86_64") == 0;
	report(ok, "PER_LINUX32 makes uname say i686");
}

int main(void)
{
	ktap_start();
	sysinfo = (uint32_t)getauxval(32); /* AT_SYSINFO */
	ktap_ok(sysinfo != 0, "there is a vDSO");
	vdso_target = sysinfo ? sysinfo : (uint32_t)int80_entry;
	test_calls();
	test_steps();
	test_frames();
	test_info();
	test_hostile();
	test_restart();
	test_tls();
	test_personality();
	ktap_ok(old_dirents("/proc/self"), "getdents: the older form, with 4 bytes a word");
	return ktap_end();
}
