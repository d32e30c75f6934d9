/* SPDX-License-Identifier: MIT */
/* Every hostile value in every register of i386's struct user, at each kind of stop: refused, or
 * the traced task dies of a signal or lives; the kernel goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ia32_ptrace.h"
#include "ktap.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static pid_t stopped(enum where where)
{
	pid_t pid = traced_child(busy);

	go_to(pid, where);
	return pid;
}

static void poke(const char *name, uint32_t offset, uint32_t value, int expect)
{
	for (unsigned w = 0; w < WHERES; w++) {
		pid_t pid = stopped(w);
		int r = pt(P_POKEUSR, pid, offset, (void *)(uintptr_t)value);
		int status = end_of(pid);

		if (r == expect && ended_well(status))
			continue;
		ktap_ok(false, "%s = %#x at %s: %d, then %#x", name, value, where_name[w], r,
			(unsigned)status);
		return;
	}
	ktap_ok(true, "%s = %#x: %s", name, value, expect ? "refused" : "survived");
}

static void test_selectors(void)
{
	static const struct {
		const char *name;
		uint32_t offset;
		bool null_ok;
	} regs[] = {
		{"cs", U32(cs), false}, {"ss", U32(ss), false}, {"ds", U32(ds), true},
		{"es", U32(es), true},  {"fs", U32(fs), true},  {"gs", U32(gs), true},
	};
	/* Null, the kernel's, those of ring 3, the TSS, LDT and TLS entries, beyond the limit. */
	static const uint32_t values[] = {0,    3,    0x08,   0x10,   0x13,       0x18,    0x1b,
					  0x23, 0x2b, 0x33,   0x43,   0x40,       0x07,    0x0f,
					  0x63, 0x73, 0xfff3, 0xffff, 0xfffffffc, 0x10002b};

	for (unsigned i = 0; i < N(regs); i++)
		for (unsigned j = 0; j < N(values); j++) {
			uint16_t v = (uint16_t)values[j];
			bool ok = v == 0 ? regs[i].null_ok : (v & 3) == 3;

			poke(regs[i].name, regs[i].offset, values[j], ok ? 0 : -EIO);
		}
}

static void test_values(void)
{
	static const uint32_t addresses[] = {0,          1,          0x7ffff000,
					     0x80000000, 0xbfffffff, 0xc0001000,
					     0xffffd000, 0xfffff000, 0xffffffff};
	/* All, none, each that a program may not have: TF NT IF IOPL VM VIF VIP ID, the reserved
	 * ones. */
	static const uint32_t flags[] = {UINT32_MAX, 0,       0x100,   0x4000,   0x200,
					 0x3000,     0x20000, 0x80000, 0x100000, 0x200000,
					 0x40000,    0x10000, 0x400,   0x28};
	static const uint32_t numbers[] = {UINT32_MAX, 0x7fffffff, 0x80000000,
					   1000,       5,          (uint32_t)-512};

	for (unsigned i = 0; i < N(addresses); i++) {
		poke("eip", U32(ip), addresses[i], 0);
		poke("esp", U32(sp), addresses[i], 0);
	}
	for (unsigned i = 0; i < N(flags); i++)
		poke("eflags", U32(flags), flags[i], 0);
	for (unsigned i = 0; i < N(numbers); i++) {
		poke("orig_eax", U32(orig_ax), numbers[i], 0);
		poke("eax", U32(ax), numbers[i], 0);
	}
}

static void test_debug(void)
{
	static char spot[8];
	pid_t pid = traced_child(busy);
	uint32_t w = 0, at = (uint32_t)(uintptr_t)busy;
	int status;
	bool ok;

	ok = pt(P_POKEUSR, pid, U32_DEBUGREG(0), (void *)(uintptr_t)at) == 0 &&
	     pt(P_POKEUSR, pid, U32_DEBUGREG(1), spot) == 0 &&
	     pt(P_POKEUSR, pid, U32_DEBUGREG(7), (void *)1) == 0 &&
	     pt(P_PEEKUSR, pid, U32_DEBUGREG(0), &w) == 0 && w == at;
	status = go(P_CONT, pid, 0);
	ok = ok && status == STOP(SIGTRAP) && pt(P_PEEKUSR, pid, U32(ip), &w) == 0 && w == at &&
	     pt(P_PEEKUSR, pid, U32_DEBUGREG(6), &w) == 0 && (w & 1);
	ktap_ok(ok, "a breakpoint by DR0 (%#x)", (unsigned)status);
	ok = pt(P_POKEUSR, pid, U32_DEBUGREG(4), (void *)1) == -EIO &&
	     pt(P_POKEUSR, pid, U32_DEBUGREG(5), (void *)1) == -EIO &&
	     pt(P_POKEUSR, pid, U32_DEBUGREG(7), (void *)0x20003) == -EINVAL; /* I/O */
	ktap_ok(ok, "DR4, DR5 and breakpoints on ports are refused");
	finish(pid);
}

void test_hostile(void)
{
	test_debug();
	test_values();
	test_selectors();
}
