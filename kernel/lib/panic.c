/* SPDX-License-Identifier: MIT */
/* The end of the kernel's run: says why, as well as it can, once. */
#include "boot.h"
#include "cpu.h"
#include "lib.h"
#include "printk.h"

#define EXIT_PORT  0xf4 /* QEMU's isa-debug-exit: exit code 2 * value + 1 */
#define EXIT_VALUE 0x31

#define BACKTRACE_MAX 24
#define FRAME_MAX     32768 /* no kernel stack is larger */

noreturn void machine_fail(void)
{
	serial_drain();
	outb(EXIT_PORT, EXIT_VALUE);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static bool in_text(uint64_t ip)
{
	return ip >= (uintptr_t)kernel_text_start && ip < (uintptr_t)kernel_text_end;
}

/* mk/ksyms.awk makes it: functions in order of their offsets from the image's start. */
struct kernel_symbol {
	uint64_t at, name; /* name: from the table's start */
};
extern const struct kernel_symbol kernel_symbols[], kernel_symbols_end[];

static void print_place(uint64_t at)
{
	const struct kernel_symbol *low = kernel_symbols, *high = kernel_symbols_end;

	while (high - low > 1) {
		const struct kernel_symbol *mid = low + (high - low) / 2;
		if (mid->at <= at)
			low = mid;
		else
			high = mid;
	}
	if (low == kernel_symbols_end || low->at > at)
		printk("  +0x%lx\n", at);
	else
		printk("  +0x%lx %s+0x%lx\n", at, (const char *)kernel_symbols + low->name,
		       at - low->at);
}

/* Every function keeps a frame pointer: saved RBP, then the return address. The chain must climb
 * in small steps within the kernel half, or it is not followed. */
void print_backtrace(const void *frame)
{
	const uint64_t *bp = frame;

	printk("backtrace, as offsets from the image's start:\n");
	for (unsigned i = 0; i < BACKTRACE_MAX; i++) {
		const uint64_t *next;

		if (!((uintptr_t)bp >> 63) || (uintptr_t)bp % 8 || !in_text(bp[1]))
			break;
		print_place(bp[1] - (uint64_t)(uintptr_t)kernel_image_start);
		next = (const uint64_t *)(uintptr_t)bp[0];
		if (next <= bp || (uintptr_t)next - (uintptr_t)bp > FRAME_MAX)
			break;
		bp = next;
	}
}

/* Works before this_cpu() does. */
static uint32_t apic_number(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	return r[1] >> 24;
}

noreturn void panic(const char *fmt, ...)
{
	static unsigned depth;
	static uint32_t first;
	unsigned before;
	va_list ap;

	irq_disable();
	printk_force();
	before = __atomic_fetch_add(&depth, 1, __ATOMIC_SEQ_CST);
	if (before > 1)
		machine_fail();
	if (!before)
		__atomic_store_n(&first, apic_number(), __ATOMIC_SEQ_CST);

	printk(before ? "panic in a panic: " : "panic: ");
	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
	printk("\n");
	if (!before) {
		print_backtrace(__builtin_frame_address(0));
		panic_hook();
		cpu_stop_others();
	} else if (__atomic_load_n(&first, __ATOMIC_SEQ_CST) != apic_number()) {
		/* The other CPU's reason came first: let it finish and end QEMU. */
		for (unsigned i = 0; i < 100000000; i++)
			cpu_relax();
	}
	machine_fail();
}

noreturn void fatal(const char *fmt, ...)
{
	va_list ap;
	char line[400];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	printk("fatal: %s\n", line);
	irq_disable();
	printk_force();
	cpu_stop_others();
	machine_fail();
}
