/* SPDX-License-Identifier: MIT */
/* This kernel's side of libkaiser: hooks, bring-up, handlers. */
#include <kaiser/verify.h>

#include "tiny.h"

struct kaiser kaiser;

/* ---- what the library asks for ---- */

static int hook_map(void *ctx, uint64_t va, kaiser_pa_t pa, unsigned prot)
{
	uint64_t bits = PTE_P | (prot & KAISER_PROT_W ? PTE_W : 0);

	return !map_page(phys_to_virt(ctx, kernel_root), va, pa,
			 prot & KAISER_PROT_X ? bits : bits | PTE_NX);
}

static void hook_unmap(void *ctx, uint64_t va)
{
	map_page(phys_to_virt(ctx, kernel_root), va, 0, 0);
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
	kaiser_flush_kernel(&kaiser, va, va + PAGE); /* other CPUs */
}

static const struct kaiser_ops ops = {
	.page_alloc = page_alloc,
	.page_free = page_free,
	.virt_to_phys = virt_to_phys,
	.phys_to_virt = phys_to_virt,
	.map = hook_map,
	.unmap = hook_unmap,
	.call_cpus = cpus_call,
	.panic = panic,
};

/* ---- bring-up ---- */

/* One of the 2 MiB places above the image, drawn anew at each boot. A real kernel has better
 * entropy than the time it took to get here, and moves its image as well. */
static uint64_t draw_window(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return KERNEL_BASE + ((32 + (lo * UINT32_C(2654435761) ^ hi) % UINT64_C(900)) << 21);
}

void host_init(enum kaiser_mode mode)
{
	struct kaiser_config cfg = {
		.ops = &ops,
		.window = draw_window(),
		.cpus = MAX_CPUS,
		.host_pages = 1,
		.kernel_root = kernel_root,
		.user_end = USER_END,
		.mode = mode,
	};
	int err = kaiser_init(&kaiser, &cfg);

	for (unsigned cpu = 0; !err && cpu < MAX_CPUS; cpu++)
		err = kaiser_cpu_prepare(&kaiser, cpu);
	if (err)
		panic(NULL, kaiser_strerror(err));
}

/* On the CPU itself, on the kernel root, interrupts off. */
void host_enter(unsigned cpu)
{
	struct cpu *c = kaiser_cpu_host_area(&kaiser, cpu);
	int err = kaiser_cpu_enter(&kaiser, cpu, (uint64_t)cpu_stacks[cpu + 1]);

	if (err)
		panic(NULL, kaiser_strerror(err));
	c->self = c;
	c->number = cpu;
}

static void verify_line(void *arg, const char *text)
{
	print(text, "");
}

/* start_info: PVH's, by its physical address; the command line's is its word at 24. */
void tiny_main(uint32_t start_info)
{
	uint64_t *info;

	memory_init();
	info = phys_to_virt(NULL, start_info);
	host_init(kaiser_policy_parse(phys_to_virt(NULL, info[3])));
	host_enter(0);
	print(kaiser.policy.isolate ? "isolation on: " : "isolation off: ", kaiser.policy.reason);
	threads_create();
	cpus_start();
	if (kaiser_verify(&kaiser, verify_line, NULL)) /* before any user mode runs */
		panic(NULL, "the page tables do not isolate");
	cpus_timer();
}

/* ---- what the gates lead to ---- */

/* System call 0: rdi = 1 if all was right. 1: flush everything, everywhere. */
void kaiser_on_syscall(struct pt_regs *regs)
{
	if (regs->orig_ax == 0)
		threads_report(regs->di == 1);
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
		cpus_interrupt(vector);
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

void kaiser_on_machine_check(struct pt_regs *regs)
{
	panic(NULL, "machine check");
}

void kaiser_on_double_fault(struct pt_regs *regs, uint64_t cr2)
{
	panic(NULL, "double fault");
}

/* ---- the console ---- */

static void put(const char *text)
{
	for (; *text; text++) {
		while (!(inb(0x3fd) & 0x20))
			__builtin_ia32_pause();
		outb(0x3f8, (uint8_t)*text);
	}
}

void print(const char *text, const char *more)
{
	put("tinyhost: ");
	put(text);
	put(more);
	put("\n");
}

void panic(void *ctx, const char *why)
{
	print("panic: ", why);
	outb(0xf4, 0x12);
	for (;;)
		__asm__ volatile("cli; hlt");
}
