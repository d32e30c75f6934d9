/* SPDX-License-Identifier: MIT */
/* Off and reset: the ways ACPI names first, then those that work on most machines without it. */
#include "acpi.h"
#include "apic.h"
#include "printk.h"

#define PM1_SCI_EN  1u
#define PM1_SLP_TYP 10 /* shift */
#define PM1_SLP_EN  BIT(13)
#define SLEEP_TYP   2 /* shift, in the hardware-reduced control register */
#define SLEEP_EN    BIT(5)

static uint16_t reg_read16(const struct acpi_reg *r)
{
	if (r->space == ACPI_SPACE_MEMORY)
		return *(volatile uint16_t *)r->mem;
	return inw((uint16_t)r->addr);
}

static void reg_write16(const struct acpi_reg *r, uint16_t v)
{
	if (r->space == ACPI_SPACE_MEMORY)
		*(volatile uint16_t *)r->mem = v;
	else
		outw((uint16_t)r->addr, v);
}

static void reg_write8(const struct acpi_reg *r, uint8_t v)
{
	switch (r->space) {
	case ACPI_SPACE_MEMORY:
		*(volatile uint8_t *)r->mem = v;
		break;
	case ACPI_SPACE_IO:
		outb((uint16_t)r->addr, v);
		break;
	default: {
		/* Bus 0: device in bits 32-47, function in 16-31, offset in 0-15. */
		uint32_t device = r->addr >> 32 & 0x1f, function = r->addr >> 16 & 7;
		uint32_t offset = r->addr & 0xff;
		outl(0xcf8, 0x80000000 | device << 11 | function << 8 | (offset & 0xfc));
		outb((uint16_t)(0xcfc + (offset & 3)), v);
	}
	}
}

/* PM1 control belongs to the firmware until ACPI mode is on. */
static void acpi_mode_on(void)
{
	if ((reg_read16(&acpi.pm1a) & PM1_SCI_EN) || acpi.smi_cmd == 0 || acpi.acpi_enable == 0)
		return;
	outb((uint16_t)acpi.smi_cmd, acpi.acpi_enable);
	for (unsigned ms = 0; ms < 1000 && !(reg_read16(&acpi.pm1a) & PM1_SCI_EN); ms++)
		delay_us(1000);
}

static void pm1_sleep(const struct acpi_reg *r, unsigned type)
{
	uint16_t v = reg_read16(r);
	v = (uint16_t)(v & ~(7u << PM1_SLP_TYP | PM1_SLP_EN));
	reg_write16(r, (uint16_t)(v | type << PM1_SLP_TYP | PM1_SLP_EN));
}

noreturn void machine_poweroff(void)
{
	cpu_stop_others();
	printk("power off\n");
	serial_drain();
	if (acpi.has_s5 && acpi.sleep_control.addr != 0) {
		reg_write8(&acpi.sleep_control, (uint8_t)(acpi.s5_a << SLEEP_TYP | SLEEP_EN));
		delay_us(100000);
	}
	if (acpi.has_s5 && acpi.pm1a.addr != 0 && acpi.pm1a.space != ACPI_SPACE_PCI) {
		acpi_mode_on();
		pm1_sleep(&acpi.pm1a, acpi.s5_a);
		if (acpi.pm1b.addr != 0 && acpi.pm1b.space != ACPI_SPACE_PCI)
			pm1_sleep(&acpi.pm1b, acpi.s5_b);
		delay_us(100000);
	}
	for (const char *s = "Shutdown"; *s != '\0'; s++) /* Bochs */
		outb(0x8900, (uint8_t)*s);
	delay_us(100000);

	printk("the machine cannot be switched off, halted\n");
	for (;;)
		__asm__ volatile("cli; hlt" ::: "memory");
}

noreturn void machine_reboot(void)
{
	cpu_stop_others();
	printk("reboot\n");
	serial_drain();
	if (acpi.reset.addr != 0) {
		reg_write8(&acpi.reset, acpi.reset_value);
		delay_us(100000);
	}
	outb(0xcf9, 0x02); /* hard reset, then the edge that does it */
	outb(0xcf9, 0x06);
	delay_us(100000);
	for (unsigned i = 0; i < 1000 && (inb(0x64) & 2); i++) /* its input buffer is full */
		delay_us(100);
	outb(0x64, 0xfe); /* the keyboard controller's reset line */
	delay_us(100000);

	struct packed {
		uint16_t limit;
		uint64_t base;
	} none = {0, 0};
	for (;;)
		__asm__ volatile("lidt %0; int3" ::"m"(none));
}
