/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of each CPU: interrupt acknowledgement, interrupts to other CPUs, the tick.
 * Reached by MSRs in x2APIC mode and through one page of device memory otherwise; all CPUs are in
 * the same mode. Destinations are physical APIC numbers. LINT1 carries NMI on every CPU, because
 * not all firmware sets that up.
 */
#include "acpi.h"
#include "apic.h"
#include "boot.h"
#include "kmap.h"
#include "printk.h"

enum {
	REG_ID = 0x20,
	REG_TPR = 0x80,
	REG_EOI = 0xb0,
	REG_SVR = 0xf0,
	REG_ISR = 0x100,
	REG_ESR = 0x280,
	REG_ICR_LOW = 0x300,
	REG_ICR_HIGH = 0x310,
	REG_LVT_TIMER = 0x320,
	REG_LVT_LINT0 = 0x350,
	REG_LVT_LINT1 = 0x360,
	REG_LVT_ERROR = 0x370,
	REG_TIMER_INITIAL = 0x380,
	REG_TIMER_NOW = 0x390,
	REG_TIMER_DIVIDE = 0x3e0,
};

enum {
	SVR_ENABLE = 1 << 8,
	LVT_NMI = 4 << 8,
	LVT_MASKED = 1 << 16,
	LVT_PERIODIC = 1 << 17,
	ICR_BUSY = 1 << 12,
	DIVIDE_BY_16 = 3,
};

#define BASE_ENABLE BIT(11)
#define BASE_X2APIC BIT(10)
#define BASE_BSP    BIT(8)
#define BASE_ADDR   UINT64_C(0x000ffffffffff000)
#define X2APIC_MSR  0x800

static bool ready; /* the boot CPU has chosen the mode */
static bool x2apic HOT_DATA;
static phys_t mmio_pa;
static volatile uint32_t *mmio HOT_DATA;

static uint32_t reg_read(unsigned reg)
{
	return x2apic ? (uint32_t)rdmsr(X2APIC_MSR + (reg >> 4)) : mmio[reg / 4];
}

static void reg_write(unsigned reg, uint32_t v)
{
	if (x2apic)
		wrmsr(X2APIC_MSR + (reg >> 4), v);
	else
		mmio[reg / 4] = v;
}

uint32_t lapic_id(void)
{
	if (!ready) {
		uint32_t r[4];
		cpuid(1, 0, r);
		return r[1] >> 24;
	}
	return x2apic ? reg_read(REG_ID) : reg_read(REG_ID) >> 24;
}

bool lapic_reaches(uint32_t apic_id)
{
	return x2apic || apic_id < 0xff;
}

void lapic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

void lapic_icr(uint32_t apic_id, uint32_t low)
{
	if (x2apic) {
		/* Unlike a store, this MSR write may overtake earlier stores. */
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(X2APIC_MSR + (REG_ICR_LOW >> 4), (uint64_t)apic_id << 32 | low);
		return;
	}
	uint64_t flags = irq_save();
	reg_write(REG_ICR_HIGH, apic_id << 24);
	reg_write(REG_ICR_LOW, low);
	for (unsigned i = 0; i < 1000000 && (reg_read(REG_ICR_LOW) & ICR_BUSY); i++)
		cpu_relax();
	irq_restore(flags);
}

void lapic_timer_set(uint32_t count, unsigned vector, bool periodic)
{
	uint32_t lvt = vector != 0 ? vector : LVT_MASKED | VEC_SPURIOUS;
	reg_write(REG_TIMER_INITIAL, 0);
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	reg_write(REG_LVT_TIMER, lvt | (periodic ? LVT_PERIODIC : 0));
	reg_write(REG_TIMER_INITIAL, count);
}

uint32_t lapic_timer_count(void)
{
	return reg_read(REG_TIMER_NOW);
}

/* Once, on the boot CPU. */
static void choose_mode(void)
{
	uint32_t r[4];
	cpuid(1, 0, r);
	if (!(r[3] & BIT(9)))
		panic("no local APIC");
	uint64_t base = rdmsr(MSR_APIC_BASE);
	pic_disable();
	mmio_pa = base & BASE_ADDR;
	/* A firmware that left x2APIC mode on did so for a reason. */
	x2apic = (base & BASE_X2APIC) ||
		 (cpu_has(CPU_X2APIC) && !acpi.x2apic_opt_out && !cmdline_has("nox2apic"));
	if (!x2apic) {
		mmio = kmap_mmio(mmio_pa, PAGE_SIZE);
		if (mmio == NULL)
			panic("out of memory for the local APIC");
	}
}

static void enable(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);
	if (!x2apic) {
		wrmsr(MSR_APIC_BASE, (base & BASE_BSP) | mmio_pa | BASE_ENABLE);
	} else if (!(base & BASE_X2APIC)) {
		/* Straight from off to x2APIC is not a legal step. */
		wrmsr(MSR_APIC_BASE, base | BASE_ENABLE);
		wrmsr(MSR_APIC_BASE, base | BASE_ENABLE | BASE_X2APIC);
	}
}

/* What the firmware left unacknowledged would block everything of the same or lower priority. */
static void drain_in_service(void)
{
	for (unsigned n = 0; n < 256; n++) {
		uint32_t any = 0;
		for (unsigned i = 0; i < 8; i++)
			any |= reg_read(REG_ISR + 0x10 * i);
		if (any == 0)
			return;
		lapic_eoi();
	}
}

void lapic_init(void)
{
	bool first = !ready;
	if (first)
		choose_mode();
	enable();
	ready = true;

	reg_write(REG_TPR, 0);
	reg_write(REG_SVR, SVR_ENABLE | VEC_SPURIOUS);
	reg_write(REG_LVT_TIMER, LVT_MASKED | VEC_SPURIOUS);
	reg_write(REG_TIMER_INITIAL, 0);
	reg_write(REG_LVT_LINT0, LVT_MASKED | VEC_SPURIOUS);
	reg_write(REG_LVT_LINT1, LVT_NMI);
	reg_write(REG_LVT_ERROR, LVT_MASKED | VEC_SPURIOUS);
	reg_write(REG_ESR, 0);
	drain_in_service();
	if (first) {
		cpu_apic_id[0] = lapic_id();
		printk("apic: %s mode, boot CPU is %u\n", x2apic ? "x2APIC" : "xAPIC",
		       cpu_apic_id[0]);
	}
}
