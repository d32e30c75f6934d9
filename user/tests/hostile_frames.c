/* SPDX-License-Identifier: MIT */
/* Stacks, signal frames and single steps that are wrong on purpose. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "hostile.h"
#include "ktap.h"

static void no_core(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
}

/* A system call does not touch the user's stack: any RSP will do. */
static void test_any_stack(void)
{
	bool ok = true;

	for (unsigned i = 0; i < BAD_ADDRS; i++) {
		long r;

		__asm__ volatile("mov %%rsp, %%rbx; mov %2, %%rsp; syscall; mov %%rbx, %%rsp"
				 : "=a"(r)
				 : "a"((long)SYS_getppid), "r"(bad_addrs[i])
				 : "rbx", "rcx", "r11", "memory");
		ok = ok && r == getppid();
	}
	ktap_ok(ok, "a system call with RSP anywhere");
}

static void on_any(int sig)
{
	(void)sig;
	_exit(3);
}

/* A handler cannot run without a stack: SIGSEGV takes the process. */
static int signal_without_stack(void *arg)
{
	no_core();
	signal(SIGUSR1, on_any);
	signal(SIGSEGV, on_any);
	long pid = getpid();

	__asm__ volatile("mov %2, %%rsp; syscall; ud2"
			 :
			 : "a"((long)SYS_kill), "D"(pid), "r"(*(uint64_t *)arg), "S"((long)SIGUSR1)
			 : "memory", "rcx", "r11");
	return 0;
}

static int overflow(void *arg)
{
	no_core();
	__asm__ volatile("1: push %rax; jmp 1b");
	return arg != NULL;
}

/* What rt_sigreturn finds at RSP. */
static int sigreturn_at(void *arg)
{
	no_core();
	__asm__ volatile("mov %1, %%rsp; syscall; ud2"
			 :
			 : "a"((long)SYS_rt_sigreturn), "r"(*(uint64_t *)arg)
			 : "memory");
	return 0;
}

static int sigreturn_noise(void *arg)
{
	uint64_t *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t x = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15u, at;

	for (int i = 0; i < 8192; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	at = (uint64_t)(uintptr_t)(p + 4096);
	return sigreturn_at(&at);
}

/* A true frame with one field changed by the handler. */
enum field { F_RIP, F_RSP, F_CS, F_SS, F_FLAGS, F_FP, F_FPBYTES, F_FPWORD };
#define MXCSR      24  /* in the FP state, as FXSAVE has it */
#define SW_MAGIC   464 /* what the kernel tells of it */
#define SW_BITS    472
#define SW_SIZE    480
#define XSTATE_BV  512 /* XSAVE's header */
#define XCOMP_BV   520
#define X_RESERVED 528
static const struct {
	const char *name;
	unsigned field; /* one of these; F_FPWORD and where in the FP state */
	uint64_t value;
	bool may_live;
} edits[] = {
	{"RIP in the kernel", F_RIP, 0xffffffff81000000, false},
	{"RIP in the window", F_RIP, 0xffffffffc0001000, false},
	{"RIP not canonical", F_RIP, 0x0100000000000000, false},
	{"RIP far from canonical", F_RIP, 0xdeadbeefcafef00d, false},
	{"RIP on the last page", F_RIP, 0x00007fffffffffff, false},
	{"RIP 0", F_RIP, 0, false},
	{"RIP at the kernel half", F_RIP, 0xffff800000000000, false},
	{"RIP just not canonical", F_RIP, 0x0000800000000000, false},
	{"RIP above that", F_RIP, 0xffff7fffffffffff, false},
	{"RSP in the kernel", F_RSP, 0xffffffff81000000, true},
	{"RSP not canonical", F_RSP, 0x0100000000000000, true},
	{"CS of the kernel", F_CS, 0x10, false},
	{"CS 0", F_CS, 0, true},
	{"CS a data selector", F_CS, 0x2b, false},
	{"CS beyond the GDT", F_CS, 0xfffb, false},
	{"CS in an LDT", F_CS, 0x7, false},
	{"CS null, RPL 3", F_CS, 0x3, false},
	{"CS of the kernel, RPL 3", F_CS, 0x13, false},
	{"CS the kernel's data, RPL 3", F_CS, 0x1b, false},
	{"CS the TSS", F_CS, 0x40, false},
	{"CS the TSS, RPL 3", F_CS, 0x43, false},
	{"CS within the TSS", F_CS, 0x4b, false},
	{"CS in an LDT, RPL 0", F_CS, 0x4, false},
	{"CS far in an LDT", F_CS, 0xffff, false},
	{"SS of the kernel", F_SS, 0x18, true},
	{"SS 0", F_SS, 0, true},
	{"SS beyond the GDT", F_SS, 0xfffb, true},
	{"SS null, RPL 3", F_SS, 0x3, true},
	{"SS of the kernel, RPL 3", F_SS, 0x1b, true},
	{"SS a code selector", F_SS, 0x33, true},
	{"SS RPL 0", F_SS, 0x28, true},
	{"SS RPL 1", F_SS, 0x29, true},
	{"SS the TSS", F_SS, 0x40, true},
	{"SS the TSS, RPL 3", F_SS, 0x43, true},
	{"SS in an LDT", F_SS, 0x7, true},
	{"SS in an LDT, RPL 0", F_SS, 0x4, true},
	{"all flags but TF", F_FLAGS, ~0ul & ~0x100ul, true},
	{"no flags", F_FLAGS, 0, true},
	{"IOPL 3, IF off", F_FLAGS, 0x3002, true},
	{"VM and NT", F_FLAGS, 0x24202, true},
	{"NT", F_FLAGS, 0x4202, true},
	{"RF", F_FLAGS, 0x10202, true},
	{"VIF and VIP", F_FLAGS, 0x180202, true},
	{"AC, ID and DF", F_FLAGS, 0x240602, true},
	{"TF", F_FLAGS, 0x302, false},
	{"flags above bit 31", F_FLAGS, 0xffffffff00000202, true},
	{"FP state in the kernel", F_FP, 0xffffffff81000000, false},
	{"FP state not canonical", F_FP, 0x0100000000000000, false},
	{"FP state misaligned at the end", F_FP, 0x00007fffffffffff, false},
	{"FP state full of ones", F_FPBYTES, 0xff, true},
	{"MXCSR's reserved bits", F_FPWORD + MXCSR, ~0ul, true},
	{"every state component", F_FPWORD + XSTATE_BV, ~0ul, true},
	{"an unknown state component", F_FPWORD + XSTATE_BV, 1ul << 62 | 3, true},
	{"a supervisor's state component", F_FPWORD + XSTATE_BV, 1ul << 8 | 3, true},
	{"the compacted format", F_FPWORD + XCOMP_BV, 1ul << 63, true},
	{"the compacted format, of all", F_FPWORD + XCOMP_BV, ~0ul, true},
	{"XSAVE's reserved bytes", F_FPWORD + X_RESERVED, ~0ul, true},
	{"XSAVE's last reserved bytes", F_FPWORD + X_RESERVED + 40, ~0ul, true},
	{"no magic", F_FPWORD + SW_MAGIC, 0, true},
	{"a size of all", F_FPWORD + SW_MAGIC, 0xffffffff46505853, true},
	{"components that are not", F_FPWORD + SW_BITS, ~0ul, true},
	{"no size", F_FPWORD + SW_SIZE, 0, true},
	{"a great size", F_FPWORD + SW_SIZE, 0x7fffffff, true},
};
static unsigned edit;

static void on_edit(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t v = edits[edit].value;

	(void)sig;
	(void)info;
	switch (edits[edit].field) {
	case F_RIP:
		g[REG_RIP] = (greg_t)v;
		break;
	case F_RSP:
		g[REG_RSP] = (greg_t)v;
		break;
	case F_CS:
		g[REG_CSGSFS] = (greg_t)(((uint64_t)g[REG_CSGSFS] & ~0xfffful) | v);
		break;
	case F_SS:
		g[REG_CSGSFS] = (greg_t)(((uint64_t)g[REG_CSGSFS] & ~(0xfffful << 48)) | v << 48);
		break;
	case F_FLAGS:
		g[REG_EFL] = (greg_t)v;
		break;
	case F_FP:
		uc->uc_mcontext.fpregs = (void *)v;
		break;
	case F_FPBYTES:
		memset(uc->uc_mcontext.fpregs, (int)v, 512);
		break;
	default:
		memcpy((char *)uc->uc_mcontext.fpregs + (edits[edit].field - F_FPWORD), &v,
		       sizeof(v));
	}
}

/* What ring 3 may never have: IOPL, VM, VIF, VIP; and IF it always has. */
#define KERNEL_FLAGS 0x1a3000ul

/* Lives only if what ring 3 may not have was not given, and with a stack and FP state that work. */
static int edited_frame(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_edit, .sa_flags = SA_SIGINFO};
	uint64_t flags, cs, ss;
	long pid = getpid();
	volatile double third = 3.0;

	(void)arg;
	no_core();
	sigaction(SIGUSR1, &sa, NULL);
	__asm__ volatile("mov %%rsp, %%rbx; syscall; mov %%rbx, %%rsp; pushfq; pop %0;"
			 "pushq $0x202; popfq"
			 : "=r"(flags)
			 : "a"((long)SYS_kill), "D"(pid), "S"((long)SIGUSR1)
			 : "rbx", "rcx", "r11", "memory", "cc");
	__asm__ volatile("mov %%cs, %0; mov %%ss, %1" : "=r"(cs), "=r"(ss));
	if ((cs & 3) != 3 || (ss & 3) != 3)
		return 2;
	__asm__ volatile("fninit; ldmxcsr %0" ::"m"((uint32_t){0x1f80}));
	if (third * 2 != 6.0)
		return 3;
	return (flags & KERNEL_FLAGS) || !(flags & 0x200) ? 1 : 0;
}

static volatile sig_atomic_t traps;
static volatile uint64_t trap_min = ~0ul, trap_max;

static void on_trap(int sig, siginfo_t *info, void *uc_)
{
	uint64_t rip = (uint64_t)((ucontext_t *)uc_)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	traps++;
	if (rip < trap_min)
		trap_min = rip;
	if (rip > trap_max)
		trap_max = rip;
}

/* TF stays with the program: it steps its own instructions, none of the kernel's. */
static int step_over_syscalls(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	long ppid = getppid(), r1, r2;
	uint64_t first, last;

	(void)arg;
	sigaction(SIGTRAP, &sa, NULL);
	__asm__ volatile("lea 1f(%%rip), %2; lea 2f(%%rip), %3; pushfq; orq $0x100, (%%rsp); popfq;"
			 "1: nop; nop; mov %4, %%rax; syscall; nop; mov %%rax, %%rbx;"
			 "mov $0x7777, %%eax; syscall; nop; pushfq; andq $~0x100, (%%rsp); popfq;"
			 "2: nop; nop"
			 : "=&a"(r2), "=&b"(r1), "=&r"(first), "=&r"(last)
			 : "r"((long)SYS_getppid)
			 : "rcx", "r11", "memory", "cc");
	if (r1 != ppid || r2 != -ENOSYS)
		return 1;
	return traps >= 8 && trap_min >= first && trap_max <= last ? 0 : 2;
}

/* A breakpoint of data on a stack that MOV SS just loaded, then SYSCALL or INT3: events that pile
 * up at the first instruction of the kernel. Without ptrace only TF can be set, which MOV SS
 * delays in the same way. */
static int step_over_mov_ss(void *arg)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	long r;

	(void)arg;
	sigaction(SIGTRAP, &sa, NULL);
	for (int i = 0; i < 50; i++) {
		__asm__ volatile("mov %%ss, %%ecx; pushfq; orq $0x100, (%%rsp); popfq;"
				 "mov %%ecx, %%ss; syscall; nop; mov %%rax, %%rbx; mov %%ss, %%ecx;"
				 "mov %%ecx, %%ss; int3; nop;"
				 "pushfq; andq $~0x100, (%%rsp); popfq; mov %%rbx, %%rax"
				 : "=a"(r)
				 : "a"((long)SYS_getppid)
				 : "rbx", "rcx", "r11", "memory", "cc");
		if (r != getppid())
			return 1;
	}
	return 0;
}

/* The ground goes away under a process that computes. */
static int unmap_myself(void *arg)
{
	(void)arg;
	no_core();
	syscall(SYS_munmap, 0x1000, 0x7ffffff00000 - 0x1000);
	return 0;
}

void hostile_frames(void)
{
	int status;

	test_any_stack();
	for (unsigned i = 0; i < BAD_ADDRS; i += 3) {
		uint64_t a = bad_addrs[i];

		status = ktap_child(signal_without_stack, &a);
		if (!ktap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
			     "a signal with RSP at %#lx: SIGSEGV", a))
			ktap_note("%s", ktap_status(status));
		status = ktap_child(sigreturn_at, &a);
		ktap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
			"rt_sigreturn with RSP at %#lx: SIGSEGV (%s)", a, ktap_status(status));
	}
	status = ktap_child(overflow, NULL);
	ktap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "stack overflow: SIGSEGV (%s)",
		ktap_status(status));
	for (uintptr_t i = 1; i <= 20; i++) {
		status = ktap_child(sigreturn_noise, (void *)i);
		if (!WIFSIGNALED(status))
			break;
	}
	ktap_ok(WIFSIGNALED(status), "rt_sigreturn of noise (%s)", ktap_status(status));
	for (edit = 0; edit < sizeof(edits) / sizeof(edits[0]); edit++) {
		status = ktap_child(edited_frame, NULL);
		bool stepped = edits[edit].field == F_FLAGS && edits[edit].value & 0x100;
		bool died = WIFSIGNALED(status) &&
			    (stepped ? WTERMSIG(status) == SIGTRAP
				     : WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);

		if (!ktap_ok(died || (edits[edit].may_live && status == 0), "signal frame: %s",
			     edits[edit].name))
			ktap_note("%s", ktap_status(status));
	}
	status = ktap_child(step_over_syscalls, NULL);
	ktap_ok(status == 0, "single steps over system calls (%s)", ktap_status(status));
	status = ktap_child(step_over_mov_ss, NULL);
	ktap_ok(status == 0, "single steps over MOV SS (%s)", ktap_status(status));
	status = ktap_child(unmap_myself, NULL);
	ktap_ok(WIFSIGNALED(status) || status == 0, "a process that unmaps itself (%s)",
		ktap_status(status));
}
