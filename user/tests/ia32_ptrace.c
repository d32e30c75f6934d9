/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ia32_ptrace.S user/tests/ia32_ptrace_hostile.c user/tests/ktap.c */
/* SRC: user/tests/traced.c */
/* BITS: 32 */
/* CFLAGS: -m32 -msse2 */
/*
 * ptrace(2) for a 32-bit tracer, of 32-bit tasks and of one in 64-bit code, as Linux has it: this
 * passes there as well. Words of 4 bytes, i386's struct user, its register sets, FSAVE's image, TLS
 * entries, system calls replaced and restarted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ia32_ptrace.h"
#include "ktap.h"

_Static_assert(sizeof(void *) == 4, "built with -m32");

void traced_body(void);
void traced_wide(void);
extern char traced_stop[], traced_behind[], traced_wide_behind[];
extern uint32_t traced_seen[8];
extern double traced_float;
extern uint32_t traced_xmm[4];

static char why[200];

static void report(bool ok, const char *text)
{
	ktap_ok(ok, "%s%s%s", text, ok || !*why ? "" : ": ", ok ? "" : why);
	why[0] = 0;
}

static bool same(const char *what, uint32_t got, uint32_t want)
{
	if (got != want && !*why)
		snprintf(why, sizeof(why), "%s is %#x, not %#x", what, got, want);
	return got == want;
}

int pt(int request, pid_t pid, uint32_t addr, const void *data)
{
	int r = (int)syscall(SYS_ptrace, request, pid, addr, data);

	return r == -1 ? -errno : r;
}

pid_t traced_child(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		if (pt(P_TRACEME, 0, 0, NULL) != 0)
			_exit(99);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	if (wait_for(pid) != STOP(SIGSTOP))
		ktap_note("a traced child did not stop");
	pt(P_SETOPTIONS, pid, 0, (void *)(O_EXITKILL | O_SYSGOOD));
	return pid;
}

static uint32_t word_at(pid_t pid, const void *p)
{
	uint32_t w = 0;

	pt(P_PEEKDATA, pid, (uint32_t)(uintptr_t)p, &w);
	return w;
}

static pid_t at_stop(void (*fn)(void))
{
	pid_t pid = traced_child(fn);

	if (go(P_CONT, pid, 0) != STOP(SIGTRAP))
		ktap_note("no breakpoint");
	return pid;
}

static void test_registers(void)
{
	static const uint32_t want[7] = {0x11111111, 0x22222222, 0x33333333, 0x44444444,
					 0x55555555, 0x66666666, 0x77777777};
	pid_t pid = at_stop(traced_body);
	struct regs32 r, back;
	uint32_t w;
	bool ok;

	memset(&r, 0xaa, sizeof(r));
	ok = pt(P_GETREGS, pid, 0, &r) == 0 && memcmp(&r, want, sizeof(want)) == 0;
	ok = ok && same("eip", r.ip, (uint32_t)(uintptr_t)traced_behind) &&
	     same("cs", r.cs, 0x23) && same("ss", r.ss, 0x2b) && same("ds", r.ds, 0x2b) &&
	     same("flags", r.flags & 1, 1) && same("orig_eax", r.orig_ax, UINT32_MAX);
	report(ok, "GETREGS: i386's 17 words");
	ok = true;
	for (unsigned i = 0; i < sizeof(r) / 4; i++)
		ok = ok && pt(P_PEEKUSR, pid, i * 4, &w) == 0 &&
		     same("a word", w, ((uint32_t *)&r)[i]);
	report(ok, "PEEKUSR shows the same");

	ok = pt(P_PEEKUSR, pid, 2, &w) == -EIO && pt(P_PEEKUSR, pid, 288, &w) == -EIO &&
	     pt(P_PEEKUSR, pid, (uint32_t)-4, &w) == -EIO && pt(P_POKEUSR, pid, 288, 0) == -EIO &&
	     pt(P_POKEUSR, pid, 6, 0) == -EIO && pt(P_PEEKUSR, pid, 0, (void *)4) == -EFAULT;
	for (uint32_t at = 68; at < 252; at += 4) {
		w = 1;
		ok = ok && pt(P_POKEUSR, pid, at, (void *)0x1234) == 0 &&
		     pt(P_PEEKUSR, pid, at, &w) == 0 && w == 0;
	}
	report(ok, "the rest of struct user is empty, and ends");

	back = r;
	for (unsigned i = 0; i < 7; i++)
		((uint32_t *)&back)[i] = ~want[i];
	back.flags ^= 0x801;
	ok = pt(P_SETREGS, pid, 0, &back) == 0 && go(P_CONT, pid, 0) == STOP(SIGTRAP);
	for (unsigned i = 0; i < 7; i++)
		ok = ok && same("a register", word_at(pid, &traced_seen[i]), ~want[i]);
	ok = ok && same("its flags", word_at(pid, &traced_seen[7]) & 0x801, back.flags & 0x801);
	report(ok, "SETREGS: the task runs on with them");
	finish(pid);

	pid = at_stop(traced_body);
	ok = true;
	for (unsigned i = 0; i < 7; i++)
		ok = ok && pt(P_POKEUSR, pid, i * 4, (void *)(uintptr_t)(0x80000000 + i)) == 0;
	ok = ok && go(P_CONT, pid, 0) == STOP(SIGTRAP);
	for (unsigned i = 0; i < 7; i++)
		ok = ok && same("a register", word_at(pid, &traced_seen[i]), 0x80000000 + i);
	report(ok, "POKEUSR too");
	finish(pid);
}

static void test_memory(void)
{
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t w[2] = {0, 0x5a5a5a5a}, last = (uint32_t)(uintptr_t)two + 4092;
	pid_t pid;
	bool ok;

	memset(two, 0x42, 4096);
	munmap(two + 4096, 4096);
	pid = at_stop(traced_body);
	ok = pt(P_PEEKDATA, pid, last, w) == 0 && same("the word", w[0], 0x42424242) &&
	     same("what follows", w[1], 0x5a5a5a5a) &&
	     pt(P_POKEDATA, pid, last - 4, (void *)0x01020304) == 0 &&
	     word_at(pid, two + 4088) == 0x01020304 && word_at(pid, two + 4092) == 0x42424242;
	report(ok, "PEEK and POKE take 4 bytes, up to a page's end");
	ok = pt(P_PEEKTEXT, pid, last + 4, w) == -EIO && pt(P_PEEKTEXT, pid, last + 1, w) == -EIO &&
	     pt(P_POKETEXT, pid, last + 2, 0) == -EIO &&
	     pt(P_PEEKDATA, pid, 0xfffff000, w) == -EIO &&
	     pt(P_PEEKDATA, pid, last, (void *)8) == -EFAULT;
	report(ok, "and nothing beyond");
	ok = pt(P_POKETEXT, pid, (uint32_t)(uintptr_t)traced_behind, (void *)0xcccccccc) == 0 &&
	     go(P_CONT, pid, 0) == STOP(SIGTRAP) && pt(P_PEEKUSR, pid, U32(ip), w) == 0 &&
	     same("eip", w[0], (uint32_t)(uintptr_t)traced_behind + 1);
	report(ok, "a breakpoint in code that is read-only");
	finish(pid);
	munmap(two, 4096);
}

static void test_fpu(void)
{
	static const uint8_t one[10] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f};
	pid_t pid = at_stop(traced_body);
	uint8_t fx[516] __attribute__((aligned(16)));
	struct fsave f;
	double seen;
	bool ok;

	memset(&f, 0xaa, sizeof(f));
	ok = pt(P_GETFPREGS, pid, 0, &f) == 0 && same("cw", f.cw, 0xffff037f) &&
	     same("sw", f.sw, 0xffff3000) && same("tags", f.tags, 0xffff0fff) &&
	     memcmp(f.st[1], one, 10) == 0 && same("beyond", f.beyond, 0xaaaaaaaa);
	report(ok, "GETFPREGS: FSAVE's image");
	memcpy(f.st[0], one, 10);
	f.st[0][9] = 0xc0; /* -2 */
	f.st[0][8] = 0;
	ok = pt(P_SETFPREGS, pid, 0, &f) == 0;
	memset(fx, 0xaa, sizeof(fx));
	ok = ok && pt(P_GETFPXREGS, pid, 0, fx) == 0 && fx[512] == 0xaa &&
	     memcmp(fx + 48, one, 10) == 0 && memcmp(fx + 32, f.st[0], 10) == 0;
	memset(fx + 160 + 3 * 16, 0x37, 16);
	ok = ok && pt(P_SETFPXREGS, pid, 0, fx) == 0;
	fx[27] = 0xff; /* MXCSR's reserved bits */
	ok = ok && same("a bad MXCSR", (uint32_t)pt(P_SETFPXREGS, pid, 0, fx), (uint32_t)-EINVAL);
	ok = ok && go(P_CONT, pid, 0) == STOP(SIGTRAP);
	for (unsigned i = 0; i < 2; i++)
		((uint32_t *)&seen)[i] = word_at(pid, (uint32_t *)&traced_float + i);
	ok = ok && seen == -2.0 && same("xmm3", word_at(pid, &traced_xmm[3]), 0x37373737);
	report(ok, "SETFPREGS and SETFPXREGS: the task has them");
	finish(pid);
}

static int regset(int request, pid_t pid, uint32_t type, void *to, size_t *len)
{
	struct iovec iov = {to, *len};
	int r = pt(request, pid, type, &iov);

	*len = iov.iov_len;
	return r;
}

static bool has_set(pid_t pid, uint32_t type, size_t want)
{
	static uint8_t buf[16384];
	size_t len = sizeof(buf);
	int r = regset(P_GETREGSET, pid, type, buf, &len);

	if (r || len != want)
		snprintf(why, sizeof(why), "set %#x: %d, %u bytes", type, r, (unsigned)len);
	return r == 0 && len == want;
}

static void test_regsets(void)
{
	pid_t pid = at_stop(traced_body);
	struct regs32 r, all;
	struct desc d[3];
	size_t len = sizeof(all) - 1;
	bool ok;

	ok = has_set(pid, 1, 68) && has_set(pid, 2, 108) && has_set(pid, 0x46e62b7f, 512) &&
	     has_set(pid, 0x200, 48);
	report(ok, "register sets have i386's sizes");
	ok = regset(P_GETREGSET, pid, 1, &all, &len) == -EINVAL;
	len = 20;
	memset(&all, 0xaa, sizeof(all));
	ok = ok && pt(P_GETREGS, pid, 0, &r) == 0 && regset(P_GETREGSET, pid, 1, &all, &len) == 0 &&
	     len == 20 && memcmp(&r, &all, 20) == 0 && all.bp == 0xaaaaaaaa;
	all.bx = 0x12345678;
	len = 4;
	ok = ok && regset(P_SETREGSET, pid, 1, &all, &len) == 0 &&
	     pt(P_GETREGS, pid, 0, &all) == 0 && same("ebx", all.bx, 0x12345678) &&
	     same("ecx", all.cx, r.cx);
	report(ok, "a part of one");

	memset(d, 0, sizeof(d));
	len = sizeof(d);
	ok = regset(P_GETREGSET, pid, 0x200, d, &len) == 0 && same("entry", d[1].entry, 13) &&
	     same("glibc's TLS", d[0].base != 0, 1);
	d[1].base = 0x1000;
	d[1].limit = 0xfff;
	d[1].flags = 0x51;
	ok = ok && pt(P_SET_THREAD_AREA, pid, 13, &d[1]) == 0 &&
	     pt(P_GET_THREAD_AREA, pid, 13, &d[2]) == 0 && same("base", d[2].base, 0x1000) &&
	     same("limit", d[2].limit, 0xfff) && same("flags", d[2].flags, 0x51) &&
	     pt(P_GET_THREAD_AREA, pid, 15, &d[2]) == -EINVAL &&
	     pt(P_GET_THREAD_AREA, pid, (uint32_t)-1, &d[2]) == -EIO;
	d[1].flags = 0x55; /* code */
	ok = ok && same("code", (uint32_t)pt(P_SET_THREAD_AREA, pid, 13, &d[1]), (uint32_t)-EINVAL);
	report(ok, "TLS entries");
	/* GS is glibc's: away and back, its base comes with it. */
	ok = pt(P_POKEUSR, pid, U32(gs), 0) == 0 &&
	     pt(P_POKEUSR, pid, U32(gs), (void *)(uintptr_t)r.gs) == 0 &&
	     go(P_CONT, pid, 0) == STOP(SIGTRAP) && go(P_CONT, pid, 0) == 0;
	report(ok, "GS set again has its base");
	finish(pid);
}

static void calls(void)
{
	int r = (int)syscall(SYS_getppid);

	_exit(r == 1234 ? 0 : 1);
}

static void nap(void)
{
	struct timespec ts = {.tv_nsec = 300000000};
	int r = (int)syscall(SYS_nanosleep, &ts, NULL);

	_exit(r == 0 ? 0 : errno == EINTR ? 2 : errno == 514 || errno == 516 ? 3 : 1);
}

static void test_calls(void)
{
	pid_t pid = traced_child(calls);
	uint32_t w[2] = {0, 0x5a5a5a5a};
	struct regs32 r;
	bool ok;

	ok = go(P_SYSEMU, pid, 0) == SYSSTOP && pt(P_GETREGS, pid, 0, &r) == 0 &&
	     same("orig_eax", r.orig_ax, SYS_getppid) && same("eax", r.ax, (uint32_t)-ENOSYS) &&
	     pt(P_POKEUSR, pid, U32(ax), (void *)1234) == 0 && go(P_CONT, pid, 0) == 0;
	report(ok, "SYSEMU: a call is replaced");
	pid = traced_child(calls);
	ok = go(P_SYSCALL, pid, 0) == SYSSTOP && pt(P_GETEVENTMSG, pid, 0, w) == 0 &&
	     same("beyond", w[1], 0x5a5a5a5a) && go(P_SYSCALL, pid, 0) == SYSSTOP &&
	     pt(P_PEEKUSR, pid, U32(ax), w) == 0 && same("eax", w[0], (uint32_t)getpid()) &&
	     pt(P_POKEUSR, pid, U32(ax), (void *)1234) == 0 && go(P_SYSCALL, pid, 0) == SYSSTOP &&
	     pt(P_PEEKUSR, pid, U32(orig_ax), w) == 0 && same("the next", w[0], SYS_exit_group) &&
	     pt(P_POKEUSR, pid, U32(bx), (void *)5) == 0 && go(P_CONT, pid, 0) == EXIT(5);
	report(ok, "SYSCALL: stops at entry and exit, arguments and result changed");

	/* All registers back at a signal: the call that it broke off goes on, unless orig_eax says
	 * that there is none. */
	for (int none = 0; none < 2; none++) {
		pid = traced_child(nap);
		pt(P_CONT, pid, 0, NULL);
		usleep(100000);
		kill(pid, SIGUSR1);
		ok = wait_for(pid) == STOP(SIGUSR1) && pt(P_GETREGS, pid, 0, &r) == 0 &&
		     same("orig_eax", r.orig_ax, SYS_nanosleep) &&
		     same("eax", r.ax, (uint32_t)-516);
		if (none)
			r.orig_ax = UINT32_MAX;
		ok = ok && pt(P_SETREGS, pid, 0, &r) == 0;
		int status = go(P_CONT, pid, 0);
		ok = ok && same("its end", (uint32_t)status, none ? EXIT(3) : EXIT(0));
		report(ok, none ? "orig_eax = -1: a call is not restarted"
				: "registers put back as they were: it is");
		finish(pid);
	}
}

static void test_steps(void)
{
	pid_t pid = at_stop(traced_body);
	uint32_t ip = 0, last = 0, steps = 0;
	siginfo_t si;
	bool ok = true;

	for (; steps < 9 && ok; steps++) {
		ok = go(P_SINGLESTEP, pid, 0) == STOP(SIGTRAP) &&
		     pt(P_PEEKUSR, pid, U32(ip), &ip) == 0 && ip > last;
		last = ip;
	}
	ok = ok && pt(P_GETSIGINFO, pid, 0, &si) == 0 &&
	     same("signal", (uint32_t)si.si_signo, SIGTRAP) &&
	     same("code", (uint32_t)si.si_code, TRAP_TRACE);
	si.si_signo = SIGUSR1;
	si.si_code = SI_QUEUE;
	si.si_value.sival_int = 77;
	ok = ok && pt(P_SETSIGINFO, pid, 0, &si) == 0;
	memset(&si, 0, sizeof(si));
	ok = ok && pt(P_GETSIGINFO, pid, 0, &si) == 0 &&
	     same("value", (uint32_t)si.si_value.sival_int, 77);
	report(ok, "SINGLESTEP, GETSIGINFO, SETSIGINFO");
	finish(pid);
	/* Through the vDSO, whose SYSENTER or SYSCALL steps over the kernel. */
	pid = traced_child(calls);
	for (steps = 0; steps < 5000; steps++) {
		int status = go(P_SINGLESTEP, pid, 0);

		if (status != STOP(SIGTRAP)) {
			ok = same("the end", (uint32_t)status, EXIT(1));
			break;
		}
	}
	report(ok && steps > 10 && steps < 5000, "steps through system calls");
	finish(pid);
}

static void test_wide(void)
{
	pid_t pid = at_stop(traced_wide);
	struct regs32 r;
	bool ok;

	ok = pt(P_GETREGS, pid, 0, &r) == 0 && same("cs", r.cs, 0x33) &&
	     same("ebx", r.bx, 0x55667788) && same("esp", r.sp, r.ax) &&
	     same("eip", r.ip, (uint32_t)(uintptr_t)traced_wide_behind);
	report(ok, "a task in 64-bit code: the lower halves");
	ok = has_set(pid, 1, 216) && has_set(pid, 2, 512);
	report(ok, "its register sets are its own");
	r.si = 0x80000001;
	ok = pt(P_SETREGS, pid, 0, &r) == 0 && go(P_CONT, pid, 0) == STOP(SIGTRAP) &&
	     same("rbx", word_at(pid, traced_seen), 0x55667788) &&
	     same("rbx, above", word_at(pid, traced_seen + 1), 0) &&
	     same("r12, above", word_at(pid, traced_seen + 3), 0x99aabbcc) &&
	     same("rsi", word_at(pid, traced_seen + 4), 0x80000001) &&
	     same("rsi, above", word_at(pid, traced_seen + 5), 0);
	report(ok, "what is written has upper halves of zero");
	finish(pid);
}

int main(void)
{
	ktap_start();
	test_registers();
	test_memory();
	test_fpu();
	test_regsets();
	test_calls();
	test_steps();
	test_wide();
	test_hostile();
	return ktap_end();
}
