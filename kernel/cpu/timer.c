/* SPDX-License-Identifier: MIT */
/*
 * Time. clock_ns() is the TSC since boot, scaled by a 32.32 fixed-point factor in a 128-bit
 * product: no overflow for centuries. The TSCs of all CPUs are taken to run together; where the CPU
 * does not promise a constant rate, the greatest value handed out so far is remembered, so that
 * time never goes back. The tick is each CPU's own APIC timer.
 */
#include "apic.h"
#include "cpu.h"
#include "printk.h"
#include "task.h"

#define NS_PER_SEC UINT64_C(1000000000)
#define GUESS_HZ   UINT64_C(1000000000)

__extension__ typedef unsigned __int128 u128;

static uint64_t tsc_hz;
static uint64_t tsc_start HOT_DATA;
static uint64_t ns_per_cycle HOT_DATA; /* times 2^32; 0 until timer_init() */
static uint64_t greatest_ns HOT_WRITTEN;
static uint64_t boot_epoch_ns;
static uint32_t tick_count;

uint64_t clock_ns(void)
{
	if (ns_per_cycle == 0)
		return 0;
	uint64_t cycles = rdtsc() - tsc_start;
	if ((int64_t)cycles < 0) /* a CPU whose TSC is behind the boot CPU's start */
		cycles = 0;
	uint64_t ns = (uint64_t)((u128)cycles * ns_per_cycle >> 32);
	if (cpu_has(CPU_INVARIANT_TSC))
		return ns;
	uint64_t seen = __atomic_load_n(&greatest_ns, __ATOMIC_RELAXED);
	while (ns > seen)
		if (__atomic_compare_exchange_n(&greatest_ns, &seen, ns, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return ns;
	return seen;
}

uint64_t realtime_offset_ns(void)
{
	return boot_epoch_ns;
}

void delay_us(unsigned us)
{
	uint64_t start = rdtsc();
	uint64_t cycles = us * ((tsc_hz != 0 ? tsc_hz : 4 * GUESS_HZ) / 1000000);
	while (rdtsc() - start < cycles)
		cpu_relax();
}

void timer_init(void)
{
	const char *by;
	tsc_hz = tsc_measure_hz(&by);
	if (tsc_hz == 0) {
		printk("timer: nothing to measure the TSC by, 1 GHz is assumed\n");
		tsc_hz = GUESS_HZ;
		by = "guess";
	}
	tsc_start = rdtsc();
	ns_per_cycle = (NS_PER_SEC << 32) / tsc_hz;

	uint64_t lapic_hz = lapic_measure_hz(tsc_hz);
	if (lapic_hz < HZ)
		panic("the local APIC's timer does not count");
	tick_count = (uint32_t)MIN(lapic_hz / HZ, (uint64_t)UINT32_MAX);
	printk("timer: TSC %llu kHz by %s, APIC timer %llu kHz\n",
	       (unsigned long long)tsc_hz / 1000, by, (unsigned long long)lapic_hz / 1000);

	uint64_t now = rtc_read();
	boot_epoch_ns = now != 0 ? now * NS_PER_SEC - clock_ns() : 0;
}

void timer_start(void)
{
	lapic_timer_set(tick_count, VEC_TIMER, true);
}

void timer_irq(struct pt_regs *regs)
{
	struct cpu *c = this_cpu();
	c->ticks = c->ticks + 1;
	if (c->id == 0)
		serial_tick(regs);
	sched_tick(regs);
}
