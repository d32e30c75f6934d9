/* SPDX-License-Identifier: MIT */
/* Hooks that can be told to fail, the counting of tests, and the way from start-up to the last
 * event. */
#include "api.h"

struct kaiser kaiser;
struct kaiser_space space;
uint64_t *space_top;
int fail_alloc = -1, fail_map = -1;
static unsigned tests;

/* The host's own call: one at a time. */
static uint64_t waiting;
static void (*call_fn)(void *arg);
static void *call_arg;

/* ---- output ---- */

static char text_line[256];
static unsigned length;

static void add(const char *text)
{
	while (*text && length < sizeof(text_line) - 1)
		text_line[length++] = *text++;
	text_line[length] = 0;
}

static void add_number(unsigned n)
{
	char digit[2] = {(char)('0' + n % 10), 0};

	if (n > 9)
		add_number(n / 10);
	add(digit);
}

static void end_line(void)
{
	print(NULL, text_line);
	length = 0;
}

void note(const char *text, const char *more)
{
	add("# ");
	add(text);
	add(more);
	end_line();
}

void called(const char *name)
{
	note("called ", name);
}

static void result(bool good)
{
	add(good ? "ok " : "not ok ");
	add_number(++tests);
	add(" - ");
}

void check(bool good, const char *text)
{
	result(good);
	add(text);
	end_line();
}

void check_error(int got, int want, const char *name, const char *error, const char *text)
{
	result(got == want);
	add(name);
	add(": ");
	add(error);
	add(": ");
	add(text);
	end_line();
	if (got != want)
		note("it said: ", kaiser_strerror(got));
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
	map_page(phys_to_virt(ctx, kernel_root), va, pa,
		 prot & KAISER_PROT_X ? bits : bits | PTE_NX);
	return 0;
}

static void unmap(void *ctx, uint64_t va)
{
	map_page(phys_to_virt(ctx, kernel_root), va, 0, 0);
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
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
	extern char cpu_stacks[MAX_CPUS][STACK_BYTES];
	int err = kaiser_cpu_enter(&kaiser, cpu, (uint64_t)cpu_stacks[cpu + 1]);

	if (err)
		panic(NULL, kaiser_strerror(err));
}

unsigned cpus;

void tiny_main(unsigned cpu, uint32_t start_info)
{
	if (cpu == 0) {
		memory_init();
		config.kernel_root = kernel_root;
		space_top = page();
		__asm__ volatile("movq %0, %%cr3" ::"r"(kernel_root) : "memory");
		calls_before_init();
		calls_prepare();
	} else {
		__asm__ volatile("movq %0, %%cr3" ::"r"(kernel_root) : "memory");
	}
	*apic(APIC_ON) = 0x1ff;
	host_enter(cpu);
	if (cpu > 0)
		cpu_idle();
	cpus_start();
	for (unsigned i = 0; i < 100000000 && kaiser.live != 3; i++) /* as many as QEMU was told */
		__builtin_ia32_pause();
	cpus = kaiser.live == 3 ? 2 : 1;
	calls_running();
	calls_looking();
	events_from_kernel();
	events_from_user();
}
