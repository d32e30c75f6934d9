/* SPDX-License-Identifier: MIT */
/* This kernel's side of libkaiser: bring-up, threads, handlers. */
#include <kaiser/verify.h>

#include "tiny.h"

#define USER_END  UINT64_C(0x00007ffffffff000)
#define USER_CODE UINT64_C(0x400000)
#define USER_DATA UINT64_C(0x800000)

static struct kaiser kaiser;

/* ---- what the library asks for ---- */

static const struct kaiser_ops ops = {
	.page_alloc = page_alloc,
	.page_free = page_free,
	.virt_to_phys = virt_to_phys,
	.phys_to_virt = phys_to_virt,
	.interrupt_cpus = cpus_interrupt,
	.panic = panic,
};

static void must(int err)
{
	if (err)
		panic(NULL, kaiser_strerror(err));
}

/* ---- threads, each in a space of its own ---- */

/* The kernel runs with interrupts off and never waits, so all there is of a thread is its space and
 * the frame at the end of its stack. */
enum { THREADS = 4 };

static struct kaiser_space spaces[THREADS];
static _Alignas(16) char stacks[THREADS][STACK_BYTES];
static bool ready[THREADS]; /* no CPU has it */

/* In the host's own data behind a CPU's private page: thread n is n + 1, and 0 is none. */
struct cpu {
	unsigned current, left;
};

static void thread_create(unsigned i)
{
	extern char user_reader[], user_breaker[], user_end[];
	uint64_t *tables = page(), *data = page();
	struct pt_regs *regs = kaiser_user_frame((uint64_t)stacks[i + 1]);
	char *code = page();

	for (unsigned n = 0; n < (unsigned)(user_end - user_reader); n++)
		code[n] = user_reader[n];
	*data = i + 1;
	map_page(tables, USER_CODE, virt_to_phys(NULL, code), PTE_P | PTE_U);
	map_page(tables, USER_DATA, virt_to_phys(NULL, data), PTE_P | PTE_U | PTE_W | PTE_NX);
	must(kaiser_space_init(&kaiser, &spaces[i], page()));
	must(kaiser_space_set_top(&spaces[i], 0, tables[0])); /* the only way to write it */
	page_free(NULL, tables, 0);

	*regs = (struct pt_regs){.cs = KAISER_USER_CS, .ss = KAISER_USER_DS, .flags = 0x202};
	regs->ip = USER_CODE + (uint64_t)((i & 1 ? user_breaker : user_reader) - user_reader);
	regs->sp = USER_DATA + PAGE;
	regs->r13 = *data;
	regs->r14 = kaiser.cfg.window; /* what SIDT tells everybody anyway */
	__atomic_store_n(&ready[i], true, __ATOMIC_RELEASE);
}

/* To the next thread that no CPU has, if there is one. The thread that is left may run elsewhere
 * only once this CPU is off its stack, which is certain when the next tick comes. */
static void thread_next(void)
{
	struct cpu *c = kaiser_host_area();

	if (c->left)
		__atomic_store_n(&ready[c->left - 1], true, __ATOMIC_RELEASE);
	c->left = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		unsigned n = (c->current + i) % THREADS;
		if (!__atomic_exchange_n(&ready[n], false, __ATOMIC_ACQUIRE))
			continue;
		c->left = c->current;
		c->current = n + 1;
		kaiser_set_kernel_stack((uint64_t)stacks[n + 1]);
		kaiser_space_switch(&kaiser, &spaces[n]);
		kaiser_exit_to_user(kaiser_user_frame((uint64_t)stacks[n + 1]));
	}
}

/* ---- bring-up ---- */

/* start_info: PVH's, by its physical address; the command line's is its word at 24. */
static void bring_up(uint32_t start_info)
{
	uint64_t *info = phys_to_virt(NULL, start_info), random = __builtin_ia32_rdtsc();
	struct kaiser_config cfg = {
		.ops = &ops, .cpus = MAX_CPUS, .host_pages = 1, .user_end = USER_END};

	memory_init();
	cfg.kernel_root = kernel_root;
	/* One of the 2 MiB places above the image. A real kernel has better entropy than the time
	 * it took to get here, and moves its image as well. */
	random = random * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	cfg.window = KERNEL_BASE + ((32 + random % 900) << 21);
	cfg.mode = kaiser_policy_parse(phys_to_virt(NULL, info[3]));
	must(kaiser_init(&kaiser, &cfg));
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		must(kaiser_cpu_prepare(&kaiser, cpu));
}

/* Where boot.S leads each CPU, with the next free number, on a stack of its own, interrupts off. */
void tiny_main(unsigned cpu, uint32_t start_info)
{
	extern char cpu_stacks[MAX_CPUS][STACK_BYTES];

	if (cpu == 0)
		bring_up(start_info);
	__asm__ volatile("movq %0, %%cr3" ::"r"(kernel_root) : "memory");
	*apic(APIC_ON) = 0x1ff; /* from the next line on it may be interrupted for a call */
	must(kaiser_cpu_enter(&kaiser, cpu, (uint64_t)cpu_stacks[cpu + 1]));
	if (cpu == 0) {
		print(NULL, kaiser.policy.isolate ? "isolation on:" : "isolation off:");
		print(NULL, kaiser.policy.reason);
		cpus_start();
		if (kaiser_verify(&kaiser, print, NULL)) /* before any user mode runs */
			panic(NULL, "the page tables do not isolate");
		for (unsigned i = 0; i < THREADS; i++)
			thread_create(i);
	}
	cpu_idle();
}

/* ---- what the gates lead to ---- */

/* Each program says once that all was right, or at any time that it was not. They go on for ever,
 * unless QEMU's device for it ends the machine. */
static void report(bool right)
{
	static unsigned reports;

	if (right && __atomic_add_fetch(&reports, 1, __ATOMIC_RELAXED) != THREADS)
		return;
	print(NULL, right ? "PASS" : "FAIL");
	outb(0xf4, right ? 0x10 : 0x11);
}

/* System call 0: rdi = 1 if all was right. 1: flush everything, everywhere. */
void kaiser_on_syscall(struct pt_regs *regs)
{
	if (regs->orig_ax == 0)
		report(regs->di == 1);
	else if (regs->orig_ax == 1)
		kaiser_flush_all(&kaiser);
	else
		return;
	regs->ax = 0;
}

/* A program that faults goes on at the address in its r12, with the vector in rax. */
void kaiser_on_interrupt(struct pt_regs *regs, unsigned vector)
{
	if (vector >= 32) {
		*apic(APIC_EOI) = 0;
		if (vector == VEC_CALL)
			kaiser_serve_call(&kaiser);
		else if (vector == VEC_TIMER)
			thread_next();
		return;
	}
	if (!kaiser_user_mode(regs))
		panic(NULL, "the kernel met an exception");
	regs->ax = vector;
	regs->ip = regs->r12 % USER_CODE + USER_CODE;
	regs->sp = USER_DATA + PAGE;
	regs->flags = 0x202;
}

void kaiser_on_debug(struct pt_regs *regs, uint64_t dr6)
{
	kaiser_on_interrupt(regs, 1);
}

void kaiser_on_nmi(struct pt_regs *regs)
{
}
