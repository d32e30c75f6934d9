/* SPDX-License-Identifier: MIT */
/* Processes of one thread. CPU n runs number n and every `cpus`th after it, in turn. */
#include "tiny.h"

enum { THREADS = 4 };

struct thread {
	struct kaiser_space space;
	uint64_t sp, top; /* of its kernel stack: where it was left, and its end */
	bool right;       /* it has said so */
};

static struct thread threads[THREADS];
static _Alignas(16) char stacks[THREADS][STACK_BYTES];

/* Where a thread's first switch leads. */
static void first_run(void)
{
	kaiser_exit_to_user((struct pt_regs *)this_cpu()->current->top - 1);
}

static void create(unsigned i)
{
	extern char user_programs[], user_end[], user_reader[], user_breaker[];
	struct thread *t = &threads[i];
	uint64_t *top = page_alloc(NULL, 0), *tables = page_alloc(NULL, 0);
	uint64_t *data = page_alloc(NULL, 0), entry = USER_CODE;
	char *code = page_alloc(NULL, 0);
	struct pt_regs *regs;

	if (!top || !tables || !code || !data || kaiser_space_init(&kaiser, &t->space, top) ||
	    !map_page(tables, USER_CODE, virt_to_phys(NULL, code), PTE_P | PTE_U) ||
	    !map_page(tables, USER_DATA, virt_to_phys(NULL, data), PTE_P | PTE_U | PTE_W | PTE_NX))
		panic(NULL, "no memory for a program");
	for (unsigned n = 0; n < (unsigned)(user_end - user_programs); n++)
		code[n] = user_programs[n];
	*data = i + 1;
	kaiser_space_set_top(&t->space, 0, tables[0]); /* the only way to write the top level */
	page_free(NULL, tables, 0);

	entry += (uint64_t)((i & 1 ? user_breaker : user_reader) - user_programs);
	t->top = (uint64_t)stacks[i + 1];
	regs = (struct pt_regs *)t->top - 1;
	*regs = (struct pt_regs){.ip = entry, .cs = KAISER_USER_CS, .flags = 0x202};
	regs->ss = KAISER_USER_DS;
	regs->sp = USER_DATA + PAGE;
	regs->r13 = *data;
	regs->r14 = kaiser.cfg.window; /* what SIDT tells everybody anyway */
	t->sp = ((uint64_t)regs & ~UINT64_C(15)) - 16;
	*(uint64_t *)t->sp = (uint64_t)first_run;
}

void threads_create(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		create(i);
}

/* Leaves one kernel stack, with an address to go on at on top, for another. */
static void switch_stacks(uint64_t *save, uint64_t load)
{
	__asm__ volatile("pushq %%rbp\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "movq %%rsp, (%0)\n\t"
			 "movq %1, %%rsp\n\t"
			 "ret\n"
			 "1:\tpopq %%rbp"
			 : "+D"(save), "+S"(load)::"rax", "rbx", "rcx", "rdx", "r8", "r9", "r10",
			   "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

/* To this CPU's next thread, if it has one. Interrupts are off. */
void threads_next(void)
{
	struct cpu *c = this_cpu();
	unsigned n = c->current ? (unsigned)(c->current - threads) + cpus : c->number;
	uint64_t *save = c->current ? &c->current->sp : &c->idle_sp;

	if (n >= THREADS)
		n = c->number;
	if (c->number >= cpus || n >= THREADS || &threads[n] == c->current)
		return;
	c->current = &threads[n];
	kaiser_set_kernel_stack(threads[n].top);
	kaiser_space_switch(&kaiser, &threads[n].space);
	switch_stacks(save, threads[n].sp);
}

/* They go on for ever; the machine ends at a failure, or when all have said once that all is right,
 * if it has QEMU's device for that. */
void threads_report(bool right)
{
	bool all = true;

	this_cpu()->current->right = right;
	for (unsigned i = 0; i < THREADS; i++)
		all = all && __atomic_load_n(&threads[i].right, __ATOMIC_RELAXED);
	if (all || !right) {
		print(right ? "PASS" : "FAIL", "");
		outb(0xf4, right ? 0x10 : 0x11);
	}
}
