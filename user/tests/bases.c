/* SPDX-License-Identifier: MIT */
/* SRC: user/tests/ktap.c */
/*
 * What a program has in GS must never be believed: with WRGSBASE it may be anything canonical, the
 * kernel's own value for this CPU included, or lead to memory that looks like the kernel's data.
 * Each value goes through every kind of entry and must be there afterwards; the kernel must not
 * notice. The guests of guest.list run this under NMIs, too, and with the window where nokaslr puts
 * it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

enum { SET_GS = 0x1001, SET_FS, GET_FS, GET_GS };

#define WINDOW        UINT64_C(0xffffffffc0000000) /* by nokaslr */
#define ENTRY_PAGE(n) (WINDOW + ((n) + 1) * UINT64_C(0x20000) + 0x5000)

static volatile unsigned signals;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	signals++;
	if (sig == SIGILL)
		uc->uc_mcontext.gregs[REG_RIP] += 2; /* behind the UD2 */
}

static long prctl_base(int code, uint64_t arg)
{
	return syscall(SYS_arch_prctl, code, arg);
}

static uint64_t get_gs(bool fsgsbase)
{
	uint64_t v = 0;

	if (fsgsbase)
		__asm__ volatile("rdgsbase %0" : "=r"(v));
	else
		prctl_base(GET_GS, (uint64_t)(uintptr_t)&v);
	return v;
}

/* System call, breakpoint with a signal and its return, invalid opcode, page fault, and enough time
 * for interrupts. */
static void every_entry(void)
{
	struct timespec t, end;
	volatile char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sched_yield();
	__asm__ volatile("int3");
	__asm__ volatile("ud2");
	page[0] = 1;
	munmap((void *)page, 4096);
	clock_gettime(CLOCK_MONOTONIC, &end);
	do {
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	} while ((t.tv_sec - end.tv_sec) * 1000000000 + t.tv_nsec - end.tv_nsec < 9000000);
}

static bool survives(uint64_t base, bool fsgsbase)
{
	unsigned before = signals;

	if (fsgsbase)
		__asm__ volatile("wrgsbase %0" : : "r"(base));
	else if (prctl_base(SET_GS, base))
		return false;
	for (unsigned i = 0; i < 3; i++) {
		every_entry();
		if (get_gs(fsgsbase) != base)
			return false;
	}
	return signals == before + 6;
}

static void calls(void)
{
	static uint64_t word;
	uint64_t v = 0, fs = 0;

	CHECK(prctl_base(GET_FS, (uint64_t)(uintptr_t)&fs) == 0 && fs, "ARCH_GET_FS");
	CHECK(prctl_base(SET_FS, fs) == 0, "ARCH_SET_FS");
	CHECK(prctl_base(SET_GS, (uint64_t)(uintptr_t)&word) == 0 &&
		      prctl_base(GET_GS, (uint64_t)(uintptr_t)&v) == 0 &&
		      v == (uint64_t)(uintptr_t)&word,
	      "ARCH_SET_GS, ARCH_GET_GS");
	CHECK(prctl_base(GET_GS, 8) == -1 && errno == EFAULT, "a bad pointer is EFAULT");
	CHECK(prctl_base(0x1005, 0) == -1 && errno == EINVAL, "an unknown code is EINVAL");
	CHECK(prctl_base(SET_GS, ENTRY_PAGE(0)) == -1 && errno == EPERM &&
		      prctl_base(SET_FS, ENTRY_PAGE(0)) == -1 && errno == EPERM &&
		      prctl_base(SET_GS, ~UINT64_C(0)) == -1 && errno == EPERM,
	      "the kernel's base is EPERM");
	CHECK(prctl_base(GET_GS, (uint64_t)(uintptr_t)&v) == 0 && v == (uint64_t)(uintptr_t)&word,
	      "and changes nothing");
}

int main(void)
{
	bool fsgsbase = getauxval(AT_HWCAP2) & 2;
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), good = 0, n = 0;
	struct sigaction a = {.sa_flags = SA_SIGINFO};
	uint64_t x = 88172645463325252;
	uint64_t *fake =
		mmap(NULL, 0x20000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cpu_set_t set;

	ktap_start();
	ktap_note("FSGSBASE %s", fsgsbase ? "on" : "off");
	a.sa_sigaction = on_signal;
	sigaction(SIGTRAP, &a, NULL);
	sigaction(SIGILL, &a, NULL);
	calls();
	/* Where GS would lead a kernel that believed it: stack tops, CR3 values, pointers, all
	 * wrong. */
	for (unsigned i = 0; i < 0x20000 / 8; i++)
		fake[i] = i & 1 ? 0xffffffff80000000 + i : 0x4141414141414141;
	CHECK(survives((uint64_t)(uintptr_t)fake, fsgsbase),
	      "a base that leads to forged kernel data");
	CHECK(survives(0, fsgsbase), "0");
	CHECK(survives(0x00007fffffffefff, fsgsbase), "the last user page");
	if (fsgsbase) {
		static const uint64_t negative[] = {~UINT64_C(0),       ~UINT64_C(7),
						    0xffff800000000000, 0xffff888000000000,
						    0xffffffff80000000, 0xffffffff81000000,
						    0xffffe00000000000, WINDOW};
		for (unsigned i = 0; i < sizeof(negative) / 8; i++, n++)
			good += survives(negative[i], true);
		CHECK(good == n, "%u negative bases", n);
		for (unsigned cpu = 0; cpu < cpus; cpu++) {
			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			sched_setaffinity(0, sizeof(set), &set);
			CHECK(survives(ENTRY_PAGE(cpu), true),
			      "what is the kernel's own base on this CPU by nokaslr (%u)", cpu);
			CHECK(survives(ENTRY_PAGE((cpu + 1) % 64), true), "and the next one's (%u)",
			      cpu);
		}
		for (good = n = 0; n < 20; n++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			good += survives((uint64_t)((int64_t)(x << 17) >> 17), true);
		}
		CHECK(good == n, "%u random bases", n);
	}
	prctl_base(SET_GS, 0);
	return ktap_end();
}
