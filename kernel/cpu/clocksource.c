/* SPDX-License-Identifier: MIT */
/*
 * How fast the TSC and the APIC timer count, measured against a clock whose frequency is known: the
 * PIT, the HPET or the ACPI timer, whichever ticks; failing all three, what CPUID says.
 *
 * A reading of the clock lies between two of the TSC. Under an emulator or a busy hypervisor the
 * gap can be milliseconds, so each end of a measurement is the tightest of several readings, and
 * the result is the middle one of three measurements: one that lost a whole turn of the 16-bit PIT
 * drops out.
 */
#include "acpi.h"
#include "apic.h"
#include "kmap.h"

#define DEAD_READS 20000 /* a clock that stands still for so long does not tick */
#define PIT_HZ     1193182
#define PM_HZ      3579545

struct clock {
	const char *name;
	uint64_t hz;
	uint32_t mask;
	uint32_t (*read)(void); /* counts up, modulo mask + 1 */
};

struct reading {
	uint64_t tsc, ticks;
};

struct follow {
	const struct clock *clock;
	uint32_t last;
	uint64_t ticks;
};

static void follow_read(struct follow *f)
{
	uint32_t now = f->clock->read();
	f->ticks += (now - f->last) & f->clock->mask;
	f->last = now;
}

static struct reading tightest(struct follow *f)
{
	struct reading best = {0, 0};
	uint64_t gap = UINT64_MAX;
	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = rdtsc();
		follow_read(f);
		uint64_t after = rdtsc();
		if (after - before < gap) {
			gap = after - before;
			best.tsc = before + gap / 2;
			best.ticks = f->ticks;
		}
	}
	return best;
}

/* Runs until both have advanced by so much; false if the clock stands still. */
static bool compare(const struct clock *c, uint64_t min_ticks, uint64_t min_tsc,
		    struct reading *diff)
{
	struct follow f = {c, c->read(), 0};
	struct reading start = tightest(&f);
	uint64_t last = f.ticks;
	unsigned still = 0;
	while (f.ticks - start.ticks < min_ticks || rdtsc() - start.tsc < min_tsc) {
		follow_read(&f);
		still = f.ticks == last ? still + 1 : 0;
		last = f.ticks;
		if (still > DEAD_READS)
			return false;
	}
	struct reading end = tightest(&f);
	diff->ticks = end.ticks - start.ticks;
	diff->tsc = end.tsc - start.tsc;
	return diff->ticks != 0 && diff->tsc != 0;
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c)
{
	return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

static uint64_t measure(const struct clock *c)
{
	uint64_t hz[3];
	for (unsigned i = 0; i < 3; i++) {
		struct reading d;
		if (!compare(c, c->hz / 100, 0, &d))
			return 0;
		hz[i] = d.tsc * c->hz / d.ticks;
	}
	return middle(hz[0], hz[1], hz[2]);
}

/* Channel 2, which drives nothing but the speaker: gate on, speaker off, counting round. */
static void pit_start(void)
{
	outb(0x61, (uint8_t)((inb(0x61) & ~2) | 1));
	outb(0x43, 0xb4);
	outb(0x42, 0);
	outb(0x42, 0);
}

static uint32_t pit_read(void)
{
	outb(0x43, 0x80); /* latch */
	uint32_t low = inb(0x42), high = inb(0x42);
	return 0 - (high << 8 | low);
}

static uint32_t pm_read(void)
{
	if (acpi.pm_timer.space == ACPI_SPACE_MEMORY)
		return *(volatile uint32_t *)acpi.pm_timer.mem;
	return inl((uint16_t)acpi.pm_timer.addr);
}

static volatile uint8_t *hpet;

static uint32_t hpet_read(void)
{
	return *(volatile uint32_t *)(hpet + 0xf0);
}

static uint64_t hpet_start(void)
{
	enum { CAP_PERIOD = 4, CONFIG = 0x10, CONFIG_ON = 1 };
	hpet = acpi.hpet != 0 ? kmap_mmio(acpi.hpet, 1024) : NULL;
	if (hpet == NULL)
		return 0;
	uint32_t femtoseconds = *(volatile uint32_t *)(hpet + CAP_PERIOD);
	if (femtoseconds == 0 || femtoseconds > 100000000) /* the specification's limit */
		return 0;
	*(volatile uint32_t *)(hpet + CONFIG) |= CONFIG_ON;
	return UINT64_C(1000000000000000) / femtoseconds;
}

static uint64_t cpuid_hz(void)
{
	uint32_t r[4], max;
	cpuid(1, 0, r);
	if (r[2] & BIT(31)) { /* under a hypervisor */
		cpuid(0x40000000, 0, r);
		if (r[0] >= 0x40000010 && r[0] < 0x40010000) {
			cpuid(0x40000010, 0, r);
			if (r[0] != 0)
				return r[0] * UINT64_C(1000);
		}
	}
	cpuid(0, 0, r);
	max = r[0];
	if (max >= 0x15) {
		cpuid(0x15, 0, r);
		if (r[0] != 0 && r[1] != 0 && r[2] != 0)
			return (uint64_t)r[2] * r[1] / r[0];
	}
	if (max >= 0x16) {
		cpuid(0x16, 0, r);
		return (r[0] & 0xffff) * UINT64_C(1000000);
	}
	return 0;
}

uint64_t tsc_measure_hz(const char **name)
{
	struct clock c[] = {
		{"PIT", PIT_HZ, 0xffff, pit_read},
		{"HPET", 0, 0xffffffff, hpet_read},
		{"ACPI timer", PM_HZ, acpi.pm_timer_32bit ? 0xffffffff : 0xffffff, pm_read},
	};
	uint64_t hz;

	pit_start();
	*name = c[0].name;
	if ((hz = measure(&c[0])) != 0)
		return hz;
	c[1].hz = hpet_start();
	*name = c[1].name;
	if (c[1].hz != 0 && (hz = measure(&c[1])) != 0)
		return hz;
	*name = c[2].name;
	if (acpi.pm_timer.addr != 0 && (hz = measure(&c[2])) != 0)
		return hz;
	*name = "CPUID";
	return cpuid_hz();
}

static uint32_t lapic_read(void)
{
	return 0 - lapic_timer_count();
}

uint64_t lapic_measure_hz(uint64_t tsc_hz)
{
	static const struct clock c = {"APIC", 0, 0xffffffff, lapic_read};
	uint64_t hz[3];
	for (unsigned i = 0; i < 3; i++) {
		struct reading d;
		lapic_timer_set(0xffffffff, 0, false);
		bool ticks = compare(&c, 1, tsc_hz / 100, &d);
		lapic_timer_set(0, 0, false);
		if (!ticks)
			return 0;
		hz[i] = d.ticks * tsc_hz / d.tsc;
	}
	return middle(hz[0], hz[1], hz[2]);
}
