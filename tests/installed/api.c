/* SPDX-License-Identifier: MIT */
/* Hooks that can be told to fail, the counting of tests, and the way from start-up to the last
 * event. */
#include "api.h"

struct kaiser kaiser;
struct kaiser_space space;
uint64_t *space_top;
int fail_alloc = -1, fail_map = -1;
static bool entered;
static unsigned tests;

/* The host's own call: one at a time. */
static uint64_t waiting;
static void (*call_fn)(void *arg);
static void *call_arg;

/* ---- output ---- */

static void put(const char *text)
{
	for (; *text; text++) {
		while (!(inb(0x3fd) & 0x20))
			__builtin_ia32_pause();
		outb(0x3f8, (uint8_t)*text);
	}
}

static void put_number(unsigned n)
{
	char digit[2] = {(char)('0' + n % 10), 0};

	if (n > 9)
		put_number(n / 10);
	put(digit);
}

void print(const char *text, const char *more)
{
	put("# ");
	put(text);
	put(more);
	put("\n");
}

void called(const char *name)
{
	print("called ", name);
}

void check(bool good, const char *text)
{
	put(good ? "ok " : "not ok ");
	put_number(++tests);
	put(" - ");
	put(text);
	put("\n");
}

void check_error(int got, int want, const char *name, const char *error, const char *text)
{
	put(got == want ? "ok " : "not ok ");
	put_number(++tests);
	put(" - ");
	put(name);
	put(": ");
	put(error);
	put(": ");
	put(text);
	put("\n");
	if (got != want)
		print("it said: ", kaiser_strerror(got));
}

void panic(void *ctx, const char *why)
{
	print("panic: ", why);
	outb(0xf4, 0x12);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- hooks ---- */

static void *alloc(void *ctx, unsigned order)
{
	if (fail_alloc >= 0 && fail_alloc-- == 0)
		return NULL;
	return page_alloc(ctx, order);
}

static int map(void *ctx, uint64_t va, kaiser_pa_t pa, unsigned prot)
{
	uint64_t bits = PTE_P | (prot & KAISER_PROT_W ? PTE_W : 0);

	if (fail_map >= 0 && fail_map-- == 0)
		return -1;
	return !map_page(phys_to_virt(ctx, kernel_root), va, pa,
			 prot & KAISER_PROT_X ? bits : bits | PTE_NX);
}

static void unmap(void *ctx, uint64_t va)
{
	map_page(phys_to_virt(ctx, kernel_root), va, 0, 0);
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
	if (entered)
		kaiser_flush_kernel(&kaiser, va, va + PAGE);
}

unsigned interrupts_sent;

/* To all others: who is not in the mask finds nothing to do. */
static void interrupt_cpus(void *ctx, uint64_t mask)
{
	volatile uint32_t *icr = phys_to_virt(ctx, 0xfee00300);

	interrupts_sent++;
	*icr = 0xc4000 | VEC_HOOK;
	while (*icr & 0x1000)
		__builtin_ia32_pause();
}

void hook_call_cpus(void *ctx, uint64_t mask, void (*fn)(void *arg), void *arg)
{
	call_fn = fn;
	call_arg = arg;
	__atomic_store_n(&waiting, mask, __ATOMIC_SEQ_CST);
	interrupt_cpus(ctx, mask);
	while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

void hook_interrupt(void)
{
	uint64_t self = UINT64_C(1) << kaiser_this_cpu();

	kaiser_serve_call(&kaiser);
	if (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) & self) {
		call_fn(call_arg);
		__atomic_and_fetch(&waiting, ~self, __ATOMIC_RELEASE);
	}
}

struct kaiser_ops ops = {
	.page_alloc = alloc,
	.page_free = page_free,
	.virt_to_phys = virt_to_phys,
	.phys_to_virt = phys_to_virt,
	.map = map,
	.unmap = unmap,
	.interrupt_cpus = interrupt_cpus,
	.panic = panic,
};

struct kaiser_config config = {
	.ops = &ops,
	.window = KERNEL_BASE + (UINT64_C(64) << 21),
	.cpus = MAX_CPUS,
	.extra_pages = 256,
	.host_pages = 1,
	.ldt_top = LDT_TOP,
	.user_end = USER_END,
	.mode = KAISER_ON,
	.ia32 = true,
};

/* ---- the way ---- */

void host_enter(unsigned cpu)
{
	struct cpu *c = kaiser_cpu_host_area(&kaiser, cpu);
	int err = kaiser_cpu_enter(&kaiser, cpu, (uint64_t)cpu_stacks[cpu + 1]);

	if (err)
		panic(NULL, kaiser_strerror(err));
	c->self = c;
	c->number = cpu;
	entered = true;
}

void tiny_main(uint32_t start_info)
{
	memory_init();
	config.kernel_root = kernel_root;
	space_top = page_alloc(NULL, 0);
	calls_before_init();
	calls_prepare();
	host_enter(0);
	cpus_start();
	calls_running();
	calls_looking();
	events_from_kernel();
	events_from_user();
}

/* cpus.c's ticks: nothing to run. */
void threads_next(void)
{
}
