/* SPDX-License-Identifier: MIT */
/* CPUs by the local APIC: starting them, calling functions on them, ticks, the idle loop. */
#include "tiny.h"

enum { EOI = 0xb0, SVR = 0xf0, ICR = 0x300, TIMER = 0x320, COUNT = 0x380, DIVIDE = 0x3e0 };
enum { ICR_INIT = 0xc4500, ICR_STARTUP = 0xc4600, ICR_OTHERS = 0xc4000, ICR_BUSY = 0x1000 };
enum { AP_PAGE = 0x8000 };

unsigned cpus;

static unsigned call_lock;
static uint64_t call_waiting; /* CPUs that have not run it yet */
static void (*call_fn)(void *);
static void *call_arg;

static volatile uint32_t *apic(unsigned reg)
{
	return phys_to_virt(NULL, 0xfee00000u + reg);
}

static void send_to_others(uint32_t what)
{
	*apic(ICR) = what;
	while (*apic(ICR) & ICR_BUSY)
		__builtin_ia32_pause();
}

static void serve_call(void)
{
	uint64_t bit = UINT64_C(1) << this_cpu()->number;

	if (__atomic_load_n(&call_waiting, __ATOMIC_ACQUIRE) & bit) {
		call_fn(call_arg);
		__atomic_and_fetch(&call_waiting, ~bit, __ATOMIC_RELEASE);
	}
}

/* Who waits for the lock serves calls meanwhile, so two callers do not wait for each other. */
void cpus_call(void *ctx, uint64_t mask, void (*fn)(void *), void *arg)
{
	while (__atomic_exchange_n(&call_lock, 1, __ATOMIC_ACQUIRE))
		serve_call();
	call_fn = fn;
	call_arg = arg;
	__atomic_store_n(&call_waiting, mask, __ATOMIC_SEQ_CST);
	send_to_others(ICR_OTHERS | VEC_CALL);
	while (__atomic_load_n(&call_waiting, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	__atomic_store_n(&call_lock, 0, __ATOMIC_RELEASE);
}

void cpus_interrupt(unsigned vector)
{
	*apic(EOI) = 0;
	if (vector == VEC_CALL)
		serve_call();
	else if (vector == VEC_TIMER)
		threads_next();
}

void cpus_start(void)
{
	extern char ap_begin[], ap_end[];
	extern unsigned cpus_arrived;
	char *from = phys_to_virt(NULL, (uint64_t)ap_begin), *to = phys_to_virt(NULL, AP_PAGE);

	for (unsigned i = 0; i < (unsigned)(ap_end - ap_begin); i++)
		to[i] = from[i];
	*apic(SVR) = 0x1ff;
	send_to_others(ICR_INIT);
	for (unsigned i = 0; i < 10000; i++)
		inb(0x61); /* about a microsecond each */
	send_to_others(ICR_STARTUP | AP_PAGE >> 12);
	for (unsigned i = 0; i < 50000; i++)
		inb(0x61);
	cpus = __atomic_load_n(&cpus_arrived, __ATOMIC_RELAXED); /* later ones stay idle */
}

/* The end of each CPU's way up: ticks that run its threads, if it has any. */
void cpus_timer(void)
{
	outb(0x21, 0xff); /* the old interrupt controllers stay silent */
	outb(0xa1, 0xff);
	*apic(SVR) = 0x1ff;
	*apic(DIVIDE) = 3;
	*apic(TIMER) = 0x20000 | VEC_TIMER; /* periodic */
	*apic(COUNT) = 50000;
	for (;;)
		__asm__ volatile("sti; hlt");
}

/* Where boot.S leads another CPU, on its stack, with the next free number. */
void tiny_other_cpu(unsigned number)
{
	*apic(SVR) = 0x1ff; /* from here on it can be called */
	__asm__ volatile("movq %0, %%cr3" ::"r"(kernel_root) : "memory");
	host_enter(number);
	cpus_timer();
}
