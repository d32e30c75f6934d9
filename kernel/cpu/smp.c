/* SPDX-License-Identifier: MIT */
/*
 * Starts the other CPUs, one after the other, so that they can share the trampoline, its tables and
 * one state word. The CPU and this one agree on each step by that word: a CPU that comes after its
 * time was up finds STATE_GIVEN_UP and halts, and INIT is sent to it besides.
 *
 * A CPU counts in ncpus only when it has answered an interrupt, that is, when cpu_main() has set
 * it up completely: the scheduler may use it from then on.
 */
#include "acpi.h"
#include "ap_start.h"
#include "apic.h"
#include "boot.h"
#include "kmap.h"
#include "printk.h"
#include "task.h"

struct ap_params {
	uint64_t entry, stack, arg, efer;
	uint32_t cr3, cr4;
};
_Static_assert(offsetof(struct ap_params, entry) == AP_ENTRY, "ap_start.h");
_Static_assert(offsetof(struct ap_params, stack) == AP_STACK, "ap_start.h");
_Static_assert(offsetof(struct ap_params, arg) == AP_ARG, "ap_start.h");
_Static_assert(offsetof(struct ap_params, efer) == AP_EFER, "ap_start.h");
_Static_assert(offsetof(struct ap_params, cr3) == AP_CR3, "ap_start.h");
_Static_assert(offsetof(struct ap_params, cr4) == AP_CR4, "ap_start.h");
_Static_assert(sizeof(struct ap_params) == 40, "ap_start.S reserves 40 bytes");

extern const uint8_t ap_start[], ap_end[], ap_params[];

#define CR4_PAE    BIT(5)
#define CR4_LA57   BIT(12)
#define EFER_LME   BIT(8)
#define EFER_LMA   BIT(10)
#define ARRIVAL_US 2000000u
#define READY_US   5000000u

enum { STATE_WAIT, STATE_ARRIVED, STATE_ONLINE, STATE_GIVEN_UP };
static uint32_t state; /* of the CPU being started; atomic */

static void *stacks[MAX_CPUS];
static unsigned prepared; /* CPU number that cpu_prepare() has already seen, 0 none */

void *cpu_boot_stack(unsigned id)
{
	return stacks[id];
}

static noreturn void halt_for_good(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" ::: "memory");
}

/* The new CPU, on its stack. this_cpu() does not work yet, so nothing here may log or allocate. */
static noreturn void ap_entry(uint64_t id)
{
	uint32_t want = STATE_WAIT;
	if (!__atomic_compare_exchange_n(&state, &want, STATE_ARRIVED, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		halt_for_good();
	cpu_features_init();
	lapic_init();
	/* Its APIC accepts interrupts: calls wait in it until it enables them. */
	__atomic_or_fetch(&cpus_online, BIT(id), __ATOMIC_ACQ_REL);
	__atomic_store_n(&state, STATE_ONLINE, __ATOMIC_RELEASE);
	cpu_main((unsigned)id);
}

/* Tables: the kernel half as it is, and the trampoline's page, at its own address, executable. */
static void build_tables(void)
{
	phys_t pa = AP_TABLES;
	uint64_t *top = phys_to_virt(pa);
	memset(top, 0, AP_TABLE_PAGES * PAGE_SIZE);
	memcpy(top + 256, (uint64_t *)phys_to_virt(kernel_root) + 256, PAGE_SIZE / 2);
	for (unsigned level = paging_levels; level > 1; level--) {
		uint64_t *table = phys_to_virt(pa);
		pa += PAGE_SIZE;
		table[0] = pa | PTE_P | PTE_W;
	}
	uint64_t *last = phys_to_virt(pa);
	last[AP_PAGE >> PAGE_SHIFT] = AP_PAGE | PTE_P | PTE_W;
}

static bool build_trampoline(void)
{
	size_t n = (size_t)(ap_end - ap_start);
	if (acpi_map(AP_PAGE, PAGE_SIZE) == NULL ||
	    acpi_map(AP_TABLES, AP_TABLE_PAGES * PAGE_SIZE) == NULL) {
		printk("smp: no memory below 1 MiB to start other CPUs in\n");
		return false;
	}
	build_tables();
	uint8_t *page = phys_to_virt(AP_PAGE);
	memcpy(page, ap_start, n);
	struct ap_params *p = (struct ap_params *)(page + (ap_params - ap_start));
	p->entry = (uint64_t)ap_entry;
	p->efer = (rdmsr(MSR_EFER) | EFER_LME) & ~EFER_LMA;
	p->cr3 = AP_TABLES;
	p->cr4 =
		CR4_PAE | (paging_levels == 5 ? CR4_LA57 : 0); /* before paging is on: it must be */
	return true;
}

static bool wait_state(uint32_t least, unsigned us)
{
	for (unsigned t = 0; t < us; t += 10) {
		if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) >= least)
			return true;
		delay_us(10);
	}
	return false;
}

static bool wake(unsigned id, uint32_t apic_id)
{
	uint8_t *page = phys_to_virt(AP_PAGE);
	struct ap_params *p = (struct ap_params *)(page + (ap_params - ap_start));
	p->stack = (uint64_t)stacks[id] + KSTACK_PAGES * PAGE_SIZE;
	p->arg = id;
	__atomic_store_n(&state, STATE_WAIT, __ATOMIC_SEQ_CST);

	lapic_icr(apic_id, ICR_INIT | ICR_ASSERT);
	delay_us(10000);
	lapic_icr(apic_id, ICR_STARTUP | ICR_ASSERT | AP_PAGE >> PAGE_SHIFT);
	if (!wait_state(STATE_ARRIVED, 1000)) {
		/* Some CPUs miss the first one; those that did not ignore the second. */
		lapic_icr(apic_id, ICR_STARTUP | ICR_ASSERT | AP_PAGE >> PAGE_SHIFT);
		wait_state(STATE_ARRIVED, ARRIVAL_US);
	}
	uint32_t want = STATE_WAIT;
	if (__atomic_compare_exchange_n(&state, &want, STATE_GIVEN_UP, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE)) {
		lapic_icr(apic_id, ICR_INIT | ICR_ASSERT);
		delay_us(10000);
		return false;
	}
	return true;
}

/* Starts one CPU as number ncpus. False if no more should be tried. */
static bool start(uint32_t apic_id)
{
	unsigned id = ncpus;
	if (!lapic_reaches(apic_id)) {
		printk("smp: CPU with APIC id %u needs x2APIC mode, left out\n", apic_id);
		return true;
	}
	if (stacks[id] == NULL)
		stacks[id] = kstack_alloc(KSTACK_PAGES);
	if (stacks[id] == NULL || (prepared != id && cpu_prepare(id, apic_id) != 0)) {
		printk("smp: out of memory at CPU %u, going on with %u\n", id, ncpus);
		return false;
	}
	prepared = id;
	cpus[id]->apic_id = apic_id; /* the number may have been meant for one that stayed away */
	cpu_apic_id[id] = apic_id;
	if (!wake(id, apic_id)) {
		printk("smp: CPU with APIC id %u does not start\n", apic_id);
		return true;
	}
	if (!wait_state(STATE_ONLINE, READY_US) || !cpu_probe(id, READY_US)) {
		/* Reset for good; its number is used up, for who knows what it has done. */
		lapic_icr(apic_id, ICR_INIT | ICR_ASSERT);
		__atomic_and_fetch(&cpus_online, ~BIT(id), __ATOMIC_ACQ_REL);
		printk("smp: CPU %u started but does not answer, going on with %u\n", id, ncpus);
		return false;
	}
	__atomic_store_n(&ncpus, id + 1, __ATOMIC_RELEASE);
	return true;
}

static unsigned max_cpus(void)
{
	char value[8];
	unsigned n = 0;
	if (!cmdline_get("maxcpus", value, sizeof(value)))
		return MAX_CPUS;
	for (const char *s = value; *s >= '0' && *s <= '9' && n <= MAX_CPUS; s++)
		n = n * 10 + (unsigned)(*s - '0');
	return MIN(MAX(n, 1U), (unsigned)MAX_CPUS);
}

void smp_init(void)
{
	unsigned limit = max_cpus();
	if (acpi.apic_ids <= 1 || limit == 1 || !build_trampoline())
		return;
	for (unsigned i = 0; i < acpi.apic_ids && ncpus < limit; i++)
		if (acpi.apic_id[i] != cpu_apic_id[0] && !start(acpi.apic_id[i]))
			break;
	printk("smp: %u CPUs\n", ncpus);
}
