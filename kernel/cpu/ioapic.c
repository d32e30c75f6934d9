/* SPDX-License-Identifier: MIT */
/* I/O APICs: every line masked, then the ISA lines in use routed to the boot CPU. The numbers of
 * ISA interrupts, their polarity and trigger are as the MADT's overrides have them. */
#include "acpi.h"
#include "apic.h"
#include "kmap.h"
#include "printk.h"

enum { SELECT = 0x00, DATA = 0x10 };        /* offsets in the device's page */
enum { REG_VERSION = 1, REG_TABLE = 0x10 }; /* indirect registers */

#define RTE_LOW_ACTIVE BIT(13)
#define RTE_LEVEL      BIT(15)
#define RTE_MASKED     BIT(16)

static struct {
	volatile uint8_t *mem;
	uint32_t gsi_base;
	unsigned lines;
} chip[ACPI_MAX_IOAPICS];
static unsigned chips;

static uint32_t chip_read(unsigned c, unsigned reg)
{
	*(volatile uint32_t *)(chip[c].mem + SELECT) = reg;
	return *(volatile uint32_t *)(chip[c].mem + DATA);
}

static void chip_write(unsigned c, unsigned reg, uint32_t v)
{
	*(volatile uint32_t *)(chip[c].mem + SELECT) = reg;
	*(volatile uint32_t *)(chip[c].mem + DATA) = v;
}

static void entry_write(unsigned c, unsigned line, uint32_t low, uint32_t apic_id)
{
	/* Masked until both halves are right. */
	chip_write(c, REG_TABLE + 2 * line, RTE_MASKED);
	chip_write(c, REG_TABLE + 2 * line + 1, apic_id << 24);
	chip_write(c, REG_TABLE + 2 * line, low);
}

void ioapic_init(void)
{
	chips = 0;
	for (unsigned i = 0; i < acpi.ioapics; i++) {
		volatile uint8_t *mem = kmap_mmio(acpi.ioapic[i].pa, PAGE_SIZE);
		if (mem == NULL) {
			printk("ioapic: out of memory for the one at %#llx\n",
			       (unsigned long long)acpi.ioapic[i].pa);
			continue;
		}
		unsigned c = chips;
		chip[c].mem = mem;
		chip[c].gsi_base = acpi.ioapic[i].gsi_base;
		uint32_t version = chip_read(c, REG_VERSION);
		if (version == 0xffffffff || version == 0) {
			printk("ioapic: nothing answers at %#llx\n",
			       (unsigned long long)acpi.ioapic[i].pa);
			continue;
		}
		chip[c].lines = (version >> 16 & 0xff) + 1;
		for (unsigned line = 0; line < chip[c].lines; line++)
			entry_write(c, line, RTE_MASKED, 0);
		chips++;
	}
	if (chips == 0)
		printk("ioapic: none\n");
}

int ioapic_route_isa(unsigned isa_irq, unsigned vector)
{
	if (isa_irq >= ARRAY_SIZE(acpi.isa) || cpu_apic_id[0] > 0xff)
		return -ENODEV;
	uint32_t gsi = isa_irq, low = vector;
	if (acpi.isa[isa_irq].set) {
		gsi = acpi.isa[isa_irq].gsi;
		/* 0 means as the ISA bus has it: active high, edge. */
		low |= (acpi.isa[isa_irq].flags & 3) == 3 ? RTE_LOW_ACTIVE : 0;
		low |= (acpi.isa[isa_irq].flags >> 2 & 3) == 3 ? RTE_LEVEL : 0;
	}
	for (unsigned c = 0; c < chips; c++) {
		if (gsi < chip[c].gsi_base || gsi - chip[c].gsi_base >= chip[c].lines)
			continue;
		entry_write(c, gsi - chip[c].gsi_base, low, cpu_apic_id[0]);
		return 0;
	}
	return -ENODEV;
}
