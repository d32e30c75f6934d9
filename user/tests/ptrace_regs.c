/* SPDX-License-Identifier: MIT */
/*
 * Registers, with every hostile value: a tracer's word is refused, or made harmless, or the traced
 * task dies of a signal; whatever happens, the kernel goes on and nothing of it shows. Each value
 * is tried at each kind of stop, because the way back differs: at a signal the exit is by IRET or
 * SYSRET as the frame says, at a system call's entry the call still runs, at a fault it is IRET.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "ptrace.h"

static const uint64_t addresses[] = {
	0,
	1,
	0x00007fffffffefff,
	0x00007fffffffeffe,
	0x00007ffffffff000,
	0x00007fffffffffff,
	0x0000800000000000,
	0x0100000000000000,
	0xdeadbeefcafef00d,
	0xffff7fffffffffff,
	0xffff800000000000,
	0xffff888000100000,
	0xffffffff81000000,
	0xffffffffc0001000,
	0xffffffffc0025000,
	0xfffffffffffffff8,
	0xffffffffffffffff,
};
#define N(a) (sizeof(a) / sizeof((a)[0]))

static int run_busy(void *arg)
{
	(void)arg;
	busy();
	return 0;
}

static pid_t stopped(enum where where)
{
	pid_t pid = traced_child(run_busy, NULL);

	pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
	go_to(pid, where);
	return pid;
}

/* value at offset, at each stop. The result is expect, or anything if that is 1; if it was taken
 * the task then dies or lives. */
static void poke(const char *name, uint64_t offset, uint64_t value, long expect)
{
	for (unsigned w = 0; w < WHERES; w++) {
		pid_t pid = stopped(w);
		long r = pt(PTRACE_POKEUSER, pid, offset, value);
		int status = end_of(pid);

		if (r == expect && ended_well(status))
			continue;
		ktap_ok(false, "%s = %#lx at %s: %ld, then %#x", name, (unsigned long)value,
			where_name[w], r, (unsigned)status);
		return;
	}
	ktap_ok(true, "%s = %#lx: %s", name, (unsigned long)value, expect ? "refused" : "survived");
}

static void test_addresses(void)
{
	for (unsigned i = 0; i < N(addresses); i++) {
		poke("rip", U_REG(ip), addresses[i], 0);
		poke("rsp", U_REG(sp), addresses[i], 0);
	}
	for (unsigned i = 0; i < N(addresses); i++) {
		long expect = addresses[i] < 0x00007ffffffff000 ? 0 : -EIO;

		poke("fs_base", U_REG(fs_base), addresses[i], expect);
		poke("gs_base", U_REG(gs_base), addresses[i], expect);
	}
}

static void test_selectors(void)
{
	static const struct {
		const char *name;
		uint64_t offset;
		bool null_ok;
	} regs[] = {{"cs", U_REG(cs), false}, {"ss", U_REG(ss), false}, {"ds", U_REG(ds), true},
		    {"es", U_REG(es), true},  {"fs", U_REG(fs), true},  {"gs", U_REG(gs), true}};
	static const uint64_t values[] = {0,    3,    0x10, 0x13, 0x18,   0x1b,   0x20,
					  0x23, 0x2b, 0x33, 0x43, 0x4b,   0x53,   0x63,
					  0x6b, 0x7,  0xf,  0x7b, 0xfffb, 0xffff, 0x31};

	for (unsigned i = 0; i < N(regs); i++) {
		for (unsigned j = 0; j < N(values); j++) {
			bool ok = (values[j] & 3) == 3 || (values[j] == 0 && regs[i].null_ok);

			poke(regs[i].name, regs[i].offset, values[j], ok ? 0 : -EIO);
		}
	}
}

/* What is taken of the flags, and what is not. */
static void test_flags(void)
{
	pid_t pid = stopped(AT_SIGNAL);
	uint64_t flags = 0;

	pt(PTRACE_POKEUSER, pid, U_REG(flags), ~0ul & ~0x100ul);
	pt(PTRACE_PEEKUSER, pid, U_REG(flags), (uint64_t)(uintptr_t)&flags);
	CHECK((flags & ~0x202ul) == (0x54dd5 & ~0x100ul) && (flags & 0x200),
	      "flags: only a program's own are taken (%#lx)", (unsigned long)flags);
	finish(pid);
	pid = stopped(AT_SIGNAL);
	pt(PTRACE_POKEUSER, pid, U_REG(flags), 0);
	pt(PTRACE_PEEKUSER, pid, U_REG(flags), (uint64_t)(uintptr_t)&flags);
	CHECK((flags & ~0x2ul) == 0x200, "... IF cannot be cleared (%#lx)", (unsigned long)flags);
	finish(pid);
	static const uint64_t hostile[] = {0x100,   0x3000,  0x4000,   0x10000, 0x20000, 0x40000,
					   0x80000, 0x54dd5, 0x3f7fd7, ~0ul,    0x400,   0};
	for (unsigned i = 0; i < N(hostile); i++)
		poke("eflags", U_REG(flags), hostile[i], 0);
}

static void test_offsets(void)
{
	pid_t pid = stopped(AT_SIGNAL);
	uint64_t v;
	uint64_t to = (uint64_t)(uintptr_t)&v;

	CHECK(pt(PTRACE_PEEKUSER, pid, 4, to) == -EIO &&
		      pt(PTRACE_PEEKUSER, pid, 936, to) == -EIO &&
		      pt(PTRACE_POKEUSER, pid, 936, 0) == -EIO &&
		      pt(PTRACE_PEEKUSER, pid, ~7ul, to) == -EIO &&
		      pt(PTRACE_POKEUSER, pid, ~7ul, 0) == -EIO,
	      "offsets beyond struct user: EIO");
	CHECK(pt(PTRACE_POKEUSER, pid, 736, 1) == -EIO, "what cannot be written: EIO");
	CHECK(pt(PTRACE_GETREGS, pid, 0, 0xffffffff81000000) == -EFAULT &&
		      pt(PTRACE_SETREGS, pid, 0, 0x8000000000000000) == -EFAULT &&
		      pt(PTRACE_GETFPREGS, pid, 0, 1) == -EFAULT,
	      "bad pointers: EFAULT");
	for (unsigned i = 0; i < N(addresses); i++) {
		pt(PTRACE_POKEUSER, pid, U_REG(orig_ax), addresses[i]);
		pt(PTRACE_POKEUSER, pid, U_REG(ax), addresses[i]);
	}
	CHECK(ended_well(end_of(pid)), "any orig_rax at a signal");
	for (unsigned i = 0; i < N(addresses); i++)
		poke("orig_rax", U_REG(orig_ax), addresses[i], 0);
	for (uint64_t e = 512; e <= 516; e++) {
		pid = stopped(AT_SIGNAL);
		pt(PTRACE_POKEUSER, pid, U_REG(orig_ax), SYS_getppid);
		pt(PTRACE_POKEUSER, pid, U_REG(ax), -e);
		CHECK(ended_well(end_of(pid)), "a made-up result that asks for a restart, %d",
		      (int)-e);
	}
}

/* rcx and r11 agree with rip and flags, or one is off: SYSRET or IRET, the same to the program. */
static void test_exits(void)
{
	static const uint64_t flag_values[] = {0x202, 0x246, 0x10202, 0x302, 0x4202, 0x40202};
	unsigned bad = 0;

	for (unsigned i = 0; i < N(flag_values) * 4; i++) {
		pid_t pid = stopped(AT_EXIT);
		struct regs r;
		int status;

		get_regs(pid, &r);
		r.flags = flag_values[i / 4];
		r.r11 = i & 1 ? r.flags : ~r.flags;
		r.cx = i & 2 ? r.ip : 0x8000000000000000;
		if (pt(PTRACE_SETREGS, pid, 0, (uint64_t)(uintptr_t)&r) != 0)
			bad++;
		status = end_of(pid);
		if (!ended_well(status) || (!(r.flags & 0x40100) && status != 0))
			bad++;
	}
	ktap_ok(bad == 0, "exits whose rcx and r11 agree or not (%u bad)", bad);
}

/* A 64-bit program in 32-bit code and back. */
static void test_compat(void)
{
	pid_t pid = stopped(AT_SIGNAL);
	uint32_t *code =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct regs r;

	(void)code;
	get_regs(pid, &r);
	r.cs = 0x23;
	CHECK(pt(PTRACE_SETREGS, pid, 0, (uint64_t)(uintptr_t)&r) == 0,
	      "CS of 32-bit code is taken");
	CHECK(ended_well(end_of(pid)), "... and what comes is a signal at worst");
}

static int adds(void *arg)
{
	double d = 1.5;

	(void)arg;
	__asm__ volatile("movsd %0, %%xmm9; int3; movsd %%xmm9, %0" : "+m"(d) : : "xmm9");
	return d == 2.5 ? 0 : 1;
}

static void test_fpu(void)
{
	static uint8_t image[8192] __attribute__((aligned(64)));
	double d = 0, want = 2.5;
	struct iovec iov = {image, sizeof(image)};
	uint64_t iov_at = (uint64_t)(uintptr_t)&iov, at = (uint64_t)(uintptr_t)image;
	uint32_t ones = 0xffffffff, mxcsr;
	pid_t pid = traced_child(adds, NULL);

	go(PTRACE_CONT, pid, 0);
	CHECK(pt(PTRACE_GETFPREGS, pid, 0, at) == 0, "GETFPREGS");
	memcpy(&d, image + 160 + 9 * 16, 8);
	CHECK(d == 1.5, "... xmm9 is there");
	memcpy(image + 160 + 9 * 16, &want, 8);
	CHECK(pt(PTRACE_SETFPREGS, pid, 0, at) == 0 && go(PTRACE_CONT, pid, 0) == EXIT(0),
	      "SETFPREGS: the program sees it");

	pid = traced_child(adds, NULL);
	go(PTRACE_CONT, pid, 0);
	pt(PTRACE_GETFPREGS, pid, 0, at);
	memcpy(&mxcsr, image + 24, 4);
	memcpy(image + 24, &ones, 4);
	CHECK(pt(PTRACE_SETFPREGS, pid, 0, at) == -EINVAL, "reserved bits of MXCSR: EINVAL");
	memset(image, 0xff, 512);
	memcpy(image + 24, &mxcsr, 4);
	CHECK(pt(PTRACE_SETFPREGS, pid, 0, at) == 0, "all else of ones is taken");
	iov.iov_len = sizeof(image);
	long r = pt(PTRACE_GETREGSET, pid, 0x202, iov_at);
	if (r == 0) {
		uint64_t bv;

		memcpy(&bv, image + 512, 8);
		memcpy(image + 160 + 9 * 16, &want, 8);
		uint64_t none = ~0ul;
		memcpy(image + 512, &none, 8);
		CHECK(pt(PTRACE_SETREGSET, pid, 0x202, iov_at) == -EINVAL,
		      "NT_X86_XSTATE: components that are not there: EINVAL");
		bv |= 3;
		memcpy(image + 512, &bv, 8);
		memcpy(image + 520, &none, 8);
		CHECK(pt(PTRACE_SETREGSET, pid, 0x202, iov_at) == -EINVAL,
		      "... another format: EINVAL");
		memset(image + 520, 0, 8);
		CHECK(pt(PTRACE_SETREGSET, pid, 0x202, iov_at) == 0, "... what is right is taken");
	} else {
		ktap_skip("NT_X86_XSTATE", "no XSAVE");
		pt(PTRACE_GETFPREGS, pid, 0, at);
		memcpy(image + 160 + 9 * 16, &want, 8);
		pt(PTRACE_SETFPREGS, pid, 0, at);
	}
	CHECK(go(PTRACE_CONT, pid, 0) == EXIT(0), "... and the program sees it");

	struct regs regs;
	pid = stopped(AT_SIGNAL);
	iov.iov_base = &regs;
	iov.iov_len = sizeof(regs) + 64;
	CHECK(pt(PTRACE_GETREGSET, pid, 1, iov_at) == 0 && iov.iov_len == sizeof(regs) &&
		      regs.cs == 0x33,
	      "NT_PRSTATUS");
	regs.cs = 0x10;
	CHECK(pt(PTRACE_SETREGSET, pid, 1, iov_at) == -EIO, "... hostile: EIO");
	iov.iov_len = 13;
	CHECK(pt(PTRACE_GETREGSET, pid, 1, iov_at) == -EINVAL, "... half a word: EINVAL");
	CHECK(pt(PTRACE_GETREGSET, pid, 0x999, iov_at) == -EINVAL,
	      "a set that is not there: EINVAL");
	/* A task in 32-bit code has i386's sets, whoever asks. */
	uint32_t narrow[27];
	iov.iov_base = narrow;
	iov.iov_len = sizeof(narrow);
	CHECK(pt(PTRACE_POKEUSER, pid, U_REG(cs), 0x23) == 0 &&
		      pt(PTRACE_GETREGSET, pid, 1, iov_at) == 0 && iov.iov_len == 68 &&
		      narrow[13] == 0x23,
	      "NT_PRSTATUS of 32-bit code: 17 words");
	narrow[0] = 0x12345678;
	CHECK(pt(PTRACE_SETREGSET, pid, 1, iov_at) == 0 &&
		      pt(PTRACE_GETREGS, pid, 0, (uint64_t)&regs) == 0 && regs.bx == 0x12345678 &&
		      regs.cs == 0x23,
	      "... and back");
	finish(pid);
}

void test_registers(void)
{
	test_offsets();
	test_addresses();
	test_selectors();
	test_flags();
	test_exits();
	test_compat();
	test_fpu();
}
