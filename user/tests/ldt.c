/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c user/tests/ldt_threads.c user/tests/ldt_enter.S */
/* CFLAGS: -no-pie -pthread */
/*
 * modify_ldt, and programs that run on segments of the LDT: code of 32 and 16 bits, stacks of 16
 * bits, segments that go away. And the GDT's TLS entries, which are one thread's as well. What
 * holds on Linux must hold here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "ktap.h"
#include "ldt.h"

enum { CODE = 3, CODE16 = 4, STACK16 = 5, STACK32 = 6, DATA = 7, LAST = 8191 };
#define FLAT (SEG_32BIT | SEG_LIMIT_IN_PAGES | SEG_USEABLE)

int ldt_do(int func, void *ptr, unsigned long bytes)
{
	return (int)syscall(SYS_modify_ldt, func, ptr, bytes);
}

bool ldt_set(uint32_t entry, uint32_t base, uint32_t limit, uint32_t flags)
{
	struct segment s = {entry, base, limit, flags};

	return ldt_do(0x11, &s, sizeof(s)) == 0;
}

bool ldt_clear(uint32_t entry)
{
	return ldt_set(entry, 0, 0, SEG_READ_EXEC_ONLY | SEG_NOT_PRESENT);
}

static uint32_t access_of(uint16_t sel)
{
	uint32_t v = 0;

	__asm__ volatile("larl %1, %0" : "+r"(v) : "r"((uint32_t)sel) : "cc");
	return v;
}

/* ---- the call ---- */

static void errors(void)
{
	static uint64_t entries[8192];
	struct segment s = {0, 0, 0xfffff, FLAT};

	CHECK(ldt_do(0, entries, sizeof(entries)) == 0, "no LDT: nothing to read");
	memset(entries, 0xff, sizeof(entries));
	CHECK(ldt_do(2, entries, sizeof(entries)) == 128 && !entries[15] && ~entries[16] == 0,
	      "the default LDT is 128 bytes of zeros");
	CHECK(ldt_do(3, entries, 16) == -ENOSYS, "an unknown function is ENOSYS");
	CHECK(ldt_do(0x11, &s, 15) == -EINVAL, "another size is EINVAL");
	CHECK(ldt_do(0x11, (void *)8, sizeof(s)) == -EFAULT, "a bad pointer is EFAULT");
	s.entry = 8192;
	CHECK(ldt_do(0x11, &s, sizeof(s)) == -EINVAL, "entry 8192 is EINVAL");
	s.entry = 1;
	s.flags = FLAT | SEG_CONFORMING;
	CHECK(ldt_do(0x11, &s, sizeof(s)) == -EINVAL,
	      "a conforming segment that is present is EINVAL");
	s.flags |= SEG_NOT_PRESENT;
	CHECK(ldt_do(1, &s, sizeof(s)) == -EINVAL, "by the old call, not present either");
	CHECK(ldt_do(0x11, &s, sizeof(s)) == 0, "by the new one, not present it is let in");
	CHECK(syscall(SYS_modify_ldt, 3, entries, 16) == 0xffffffffL - ENOSYS + 1,
	      "errors come in 32 bits");
	CHECK(ldt_clear(1), "an entry is emptied");
}

/* Whatever is asked for, what is let in is a segment of ring 3, accessed, of no 64-bit code. */
static void no_gates(void)
{
	static uint64_t entries[64];
	unsigned bad = 0, set = 0;
	uint64_t x = 88172645463325252;

	for (unsigned i = 0; i < 400; i++) {
		struct segment s;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		s = (struct segment){i % 64, (uint32_t)x, (uint32_t)(x >> 32), (uint32_t)(x >> 20)};
		set += ldt_do(i & 1 ? 0x11 : 1, &s, sizeof(s)) == 0;
		memset(entries, 0, sizeof(entries));
		ldt_do(0, entries, sizeof(entries));
		for (unsigned j = 0; j < 64; j++) {
			uint64_t d = entries[j];
			bool code = d >> 43 & 1;

			bad += d && (!(d >> 44 & 1) || (d >> 45 & 3) != 3 || !(d >> 40 & 1) ||
				     (code && d >> 53 & 1));
		}
	}
	CHECK(set > 100 && bad == 0, "%u of 400 random segments let in, none but ring 3's", set);
	for (unsigned j = 0; j < 64; j++)
		ldt_clear(j);
}

static void data(void)
{
	static const uint32_t words[4] = {1, 2, 3, 0xcafe};
	static uint64_t entries[8192];
	uint32_t v = 0;

	CHECK(ldt_set(DATA, (uint32_t)(uintptr_t)words, 15,
		      SEG_32BIT | SEG_READ_EXEC_ONLY | SEG_LM),
	      "a data segment of 16 bytes");
	CHECK((access_of(SEL(DATA)) & 0xff00) == 0xf100, "read-only, of ring 3, accessed");
	__asm__("movl %1, %%gs; movl %%gs:12, %0; movl %2, %%gs"
		: "=&r"(v)
		: "r"((uint32_t)SEL(DATA)), "r"(0));
	CHECK(v == 0xcafe, "GS reads by it");
	CHECK(ldt_do(0, entries, sizeof(entries)) == sizeof(entries) && entries[DATA] &&
		      !entries[LAST],
	      "it is read back, and zeros behind it");
	CHECK(ldt_set(LAST, 0, 0xfffff, FLAT) && access_of(SEL(LAST)), "the last entry of 8192");
	CHECK(ldt_do(0, entries, sizeof(entries)) == sizeof(entries) && entries[LAST] >> 47 & 1,
	      "it is read back");
	CHECK(ldt_clear(LAST) && !access_of(SEL(LAST)), "and gone again");
}

/* ---- code and stacks ---- */

static char *altstack;
static volatile unsigned traps;
static volatile int fault_trapno, fault_signal;
static volatile long fault_error;
static volatile uint32_t fault_cs;
static volatile bool drop_code;
static sigjmp_buf out;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	traps++;
	if (drop_code)
		ldt_clear(CODE);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	(void)info;
	fault_signal = sig;
	fault_trapno = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	fault_error = (long)uc->uc_mcontext.gregs[REG_ERR];
	fault_cs = (uint16_t)uc->uc_mcontext.gregs[REG_CSGSFS];
	siglongjmp(out, 1);
}

static void handlers(void)
{
	struct sigaction a = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t st = {.ss_size = 65536};

	altstack =
		mmap(NULL, st.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	st.ss_sp = altstack;
	sigaltstack(&st, NULL);
	a.sa_sigaction = on_trap;
	sigaction(SIGTRAP, &a, NULL);
	sigaction(SIGALRM, &a, NULL);
	a.sa_flags |= SA_NODEFER;
	a.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
	sigaction(SIGILL, &a, NULL);
}

static void call(const char *code, uint16_t cs, uint16_t ss, uint32_t esp, uint32_t rounds)
{
	ldt_call.eip = (uint32_t)(uintptr_t)code;
	ldt_call.cs = cs;
	ldt_call.ss = ss;
	ldt_call.esp = esp;
	ldt_call.rounds = rounds;
	ldt_call.eax = 0xdead;
	ldt_enter();
}

static void code(void)
{
	CHECK(ldt_set(CODE, 0, 0xfffff, FLAT | SEG_CODE | SEG_LM) &&
		      ldt_set(CODE16, (uint32_t)(uintptr_t)ldt_code_16, 0xffff, SEG_CODE) &&
		      ldt_set(STACK32, 0, 0xfffff, FLAT) &&
		      ldt_set(STACK16, 0, 0xfffff, SEG_USEABLE),
	      "segments of code and stack");
	CHECK((access_of(SEL(CODE)) & 0xf0ff00) == 0xd0fb00, "the 64-bit bit is not let in");
	call(ldt_code_trap, SEL(CODE), 0x2b, 0x1000, 1);
	CHECK(traps == 1 && ldt_call.eax == 0, "32-bit code of the LDT, interrupted by a signal");
	traps = 0;
	call(ldt_code_trap, SEL(CODE), SEL(STACK32), 0x87654321, 100);
	CHECK(traps == 100 && ldt_call.eax == 0 && (uint32_t)ldt_call.rsp_after == 0x87654321,
	      "on a 32-bit stack of the LDT, a hundred times");
}

static void code16(void)
{
	ldt_call.eax = 0;
	call(NULL, SEL(CODE16), SEL(STACK16), 0x1000, 1);
	CHECK(ldt_call.eax == 0x00abcdef, "16-bit code on a 16-bit stack");
}

/* Bits 31 to 16 of ESP through every return to a 16-bit stack segment. */
static void stack16(void)
{
	static const uint32_t esp[] = {0x00000ffc, 0x0001fffc, 0x12345678, 0x7fff0000, 0x80000010,
				       0xcafe8000, 0xfffffffc, 0xffff0000, 0x0000fffe};
	unsigned changed = 0, told = 0, n = sizeof(esp) / sizeof(esp[0]);

	traps = 0;
	for (unsigned i = 0; i < n; i++) {
		call(ldt_code_trap, SEL(CODE), SEL(STACK16), esp[i], 50);
		changed += ldt_call.eax;
		/* 64-bit code may look at the upper half: nothing of the kernel but where its slot
		 * lies, which is a multiple of 2^39 or 2^48. */
		told += (ldt_call.rsp_after >> 32 & 0x7f) != 0;
	}
	CHECK(traps == 50 * n, "%u returns to a 16-bit stack", traps);
	CHECK(changed == 0, "bits 31 to 16 of ESP are the program's after each");
	CHECK(told == 0, "bits 63 to 32 tell nothing but the slot's address");
	ktap_note("RSP after it: %#lx", (unsigned long)ldt_call.rsp_after);
}

static void stack16_timer(void)
{
	struct itimerval t = {{0, 2000}, {0, 2000}};

	traps = 0;
	setitimer(ITIMER_REAL, &t, NULL);
	for (unsigned i = 0; i < 40; i++) {
		call(ldt_code_spin, SEL(CODE), SEL(STACK16), 0x56780000 + i * 0x10010000, 400000);
		if (ldt_call.eax)
			break;
	}
	memset(&t, 0, sizeof(t));
	setitimer(ITIMER_REAL, &t, NULL);
	CHECK(ldt_call.eax == 0 && traps > 3, "and under %u timer signals", traps);
}

/* ---- what goes wrong ---- */

static bool faults(const char *code, uint16_t cs, uint16_t ss, int sig, int trapno, long error)
{
	fault_signal = 0;
	if (sigsetjmp(out, 1) == 0)
		call(code, cs, ss, 0x2000, 1);
	if (fault_signal != sig || fault_trapno != trapno || fault_error != error)
		ktap_note("signal %d trap %d error %#lx", fault_signal, fault_trapno, fault_error);
	return fault_signal == sig && fault_trapno == trapno && fault_error == error;
}

static void bad(void)
{
	CHECK(faults(ldt_code_spin, SEL(100), 0x2b, SIGSEGV, 13, 100 << 3 | 4),
	      "a far jump to an empty entry is #GP");
	drop_code = true;
	CHECK(faults(ldt_code_trap, SEL(CODE), SEL(STACK16), SIGSEGV, 13, CODE << 3 | 4),
	      "CS emptied while a handler runs: the IRET's #GP is the program's");
	CHECK(fault_cs == SEL(CODE), "at the place it was to return to");
	drop_code = false;
	ldt_set(CODE, 0, 0xfffff, FLAT | SEG_CODE | SEG_NOT_PRESENT);
	CHECK(faults(ldt_code_trap, SEL(CODE), 0x2b, SIGBUS, 11, CODE << 3 | 4),
	      "a segment that is not present is #NP");
	ldt_set(CODE, 0, 0xfffff, FLAT | SEG_CODE);
	ldt_set(STACK16, 0, 0xfffff, SEG_USEABLE | SEG_NOT_PRESENT);
	CHECK(faults(ldt_code_trap, SEL(CODE), SEL(STACK16), SIGBUS, 12, STACK16 << 3 | 4),
	      "a stack that is not present is #SS");
	ldt_set(STACK16, 0, 0xfffff, SEG_USEABLE);
}

/* ---- life ---- */

static int child_reads(void *arg)
{
	(void)arg;
	if ((access_of(SEL(DATA)) & 0xff00) != 0xf100 || !ldt_clear(DATA))
		return 1;
	return access_of(SEL(DATA)) ? 2 : 0;
}

static int child_execs(void *arg)
{
	execl("/proc/self/exe", arg, "exec", NULL);
	return 3;
}

/* After exec: no LDT, and no selector of the old one. */
static int after_exec(void)
{
	uint64_t entries[16];
	uint16_t ds, es, fs, gs;

	__asm__("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
		: "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	return ldt_do(0, entries, sizeof(entries)) == 0 && !access_of(SEL(DATA)) &&
			       !((ds | es | fs | gs) & 4)
		       ? 0
		       : 4;
}

static void life(void)
{
	unsigned long before, after;
	FILE *f = fopen("/proc/kaiser", "r");
	char line[128], verdict[128] = "";
	int status;

	status = ktap_child(child_reads, NULL);
	CHECK(status == 0, "a fork has a copy: %s", ktap_status(status));
	CHECK(access_of(SEL(DATA)), "which is its own");
	__asm__ volatile("movl %0, %%gs" ::"r"((uint32_t)SEL(DATA)));
	status = ktap_child(child_execs, "ldt");
	__asm__ volatile("movl %0, %%gs" ::"r"(0));
	CHECK(status == 0, "an exec has none: %s", ktap_status(status));
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "check:", 6) && strstr(line, "ERROR"))
			ktap_note("%.*s", (int)strcspn(line, "\n"), line);
		if (!strncmp(line, "verdict:", 8))
			strcpy(verdict, line);
	}
	if (f) {
		fclose(f);
		CHECK(!strstr(verdict, "NOT") && !strstr(verdict, "could"),
		      "the kernel's checks find nothing: %.*s", (int)strcspn(verdict, "\n"),
		      verdict);
	}
	before = (unsigned long)sysconf(_SC_AVPHYS_PAGES);
	for (unsigned i = 0; i < 3000; i++)
		ldt_set(i % 7 ? 600 : LAST, 0, i, FLAT);
	after = (unsigned long)sysconf(_SC_AVPHYS_PAGES);
	CHECK(after + 200 > before, "3000 changes lose no page (%lu free, then %lu)", before,
	      after);
}

/* ---- the GDT's TLS entries: set_thread_area, a call of 32-bit programs ---- */

static struct segment area; /* below 4 GiB */

static int set_area(uint32_t entry, uint32_t base, uint32_t flags)
{
	int r;

	area = (struct segment){entry, base, 3, flags};
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "0"(243), "b"(&area)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static int child_without(const int *p)
{
	unsigned seen = 0;
	char c;

	while (read(p[0], &c, 1) == 1 && c != 'q') {
		for (unsigned e = 12; e <= 14; e++)
			seen += access_of((uint16_t)(e << 3 | 3)) != 0;
		if (write(p[3], &c, 1) != 1)
			return 2;
	}
	return seen != 0;
}

static void tls(void)
{
	static const uint32_t word = 0x715;
	unsigned cpu0 = 1, good = 0, sel;
	int p[4], status = 0, pid;
	uint32_t v = 0;
	char c = 'x';

	if (set_area(12, 0, SEG_READ_EXEC_ONLY | SEG_NOT_PRESENT) == -ENOSYS) {
		ktap_skip("TLS entries", "no 32-bit calls here");
		return;
	}
	syscall(SYS_sched_setaffinity, 0, sizeof(cpu0), &cpu0);
	if (pipe(p) || pipe(p + 2) || (pid = fork()) < 0)
		return;
	if (pid == 0)
		_exit(child_without(p));
	CHECK(set_area(~0u, (uint32_t)(uintptr_t)&word, SEG_READ_EXEC_ONLY) == -EINVAL,
	      "a TLS entry of 16 bits is EINVAL: no stack of it could be kept right");
	CHECK(set_area(~0u, (uint32_t)(uintptr_t)&word, SEG_32BIT | SEG_READ_EXEC_ONLY) == 0 &&
		      area.entry >= 12 && area.entry <= 14,
	      "a TLS entry");
	sel = area.entry << 3 | 3;
	for (unsigned i = 0; i < 200; i++) {
		__asm__ volatile("movl %1, %%gs; movl %%gs:0, %0" : "=&r"(v) : "r"(sel));
		good += v == word;
		if (write(p[1], &c, 1) != 1 || read(p[2], &c, 1) != 1)
			break;
		__asm__ volatile("movl %%gs:0, %0" : "=&r"(v));
		good += v == word;
	}
	__asm__ volatile("movl %0, %%gs" ::"r"(0));
	c = 'q';
	if (write(p[1], &c, 1) == 1)
		waitpid(pid, &status, 0);
	CHECK(good == 400, "200 turns with another process on its CPU: always there");
	CHECK(status == 0, "and never seen by the other: %s", ktap_status(status));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exec"))
		return after_exec();
	ktap_start();
	handlers();
	errors();
	no_gates();
	data();
	code();
	code16();
	stack16();
	stack16_timer();
	bad();
	life();
	tls();
	ldt_threads();
	return ktap_end();
}
