/* SPDX-License-Identifier: MIT */
/* Takes the facts out of single ACPI tables. Field offsets are those of the ACPI specification. */
#include "acpi.h"
#include "kmap.h"

static void add_cpu(uint32_t apic_id, uint32_t flags)
{
	if (!(flags & 1)) /* not enabled: an empty socket, or one for hot-plug */
		return;
	for (unsigned i = 0; i < acpi.apic_ids; i++)
		if (acpi.apic_id[i] == apic_id)
			return;
	if (acpi.apic_ids == MAX_CPUS)
		acpi.cpus_ignored++;
	else
		acpi.apic_id[acpi.apic_ids++] = apic_id;
}

static void madt_entry(const uint8_t *e, size_t n)
{
	switch (e[0]) {
	case 0: /* local APIC */
		if (n >= 8 && e[3] != 0xff)
			add_cpu(e[3], acpi_u32(e + 4));
		break;
	case 1: /* I/O APIC */
		if (n >= 12 && acpi.ioapics < ACPI_MAX_IOAPICS) {
			acpi.ioapic[acpi.ioapics].pa = acpi_u32(e + 4);
			acpi.ioapic[acpi.ioapics++].gsi_base = acpi_u32(e + 8);
		}
		break;
	case 2: /* an ISA interrupt that is not where it seems */
		if (n >= 10 && e[2] == 0 && e[3] < ARRAY_SIZE(acpi.isa)) {
			acpi.isa[e[3]].set = true;
			acpi.isa[e[3]].gsi = acpi_u32(e + 4);
			acpi.isa[e[3]].flags = acpi_u16(e + 8);
		}
		break;
	case 9: /* local x2APIC */
		if (n >= 16 && acpi_u32(e + 4) != 0xffffffff)
			add_cpu(acpi_u32(e + 4), acpi_u32(e + 8));
		break;
	default:
		break;
	}
}

void acpi_parse_madt(const uint8_t *t, size_t n)
{
	size_t at = ACPI_HEADER + 8;
	while (at + 2 <= n) {
		size_t len = t[at + 1];
		if (len < 2 || len > n - at)
			return;
		madt_entry(t + at, len);
		at += len;
	}
}

static void reg_set(struct acpi_reg *r, uint8_t space, uint64_t addr, size_t bytes)
{
	if (addr == 0 || space > ACPI_SPACE_PCI || (space == ACPI_SPACE_IO && addr > 0xffff))
		return;
	if (space == ACPI_SPACE_MEMORY) {
		r->mem = kmap_mmio(addr, bytes);
		if (r->mem == NULL)
			return;
	}
	r->space = space;
	r->addr = addr;
}

/* The extended form at `gas` if the table reaches that far and has it, else the port at `port`. */
static void reg_from(struct acpi_reg *r, const uint8_t *t, size_t n, size_t gas, size_t port)
{
	if (n >= gas + 12)
		reg_set(r, t[gas], acpi_u64(t + gas + 4), 4);
	if (r->addr == 0 && port != 0 && n >= port + 4)
		reg_set(r, ACPI_SPACE_IO, acpi_u32(t + port), 4);
}

phys_t acpi_parse_fadt(const uint8_t *t, size_t n)
{
	if (n < 116)
		return 0;
	uint32_t flags = acpi_u32(t + 112);
	acpi.century = t[108];
	acpi.hw_reduced = flags & BIT(20);
	if (!acpi.hw_reduced) {
		acpi.smi_cmd = acpi_u32(t + 48) <= 0xffff ? acpi_u32(t + 48) : 0;
		acpi.acpi_enable = t[52];
		reg_from(&acpi.pm1a, t, n, 172, 64);
		reg_from(&acpi.pm1b, t, n, 184, 68);
		if (t[91] >= 4)
			reg_from(&acpi.pm_timer, t, n, 208, 76);
		acpi.pm_timer_32bit = flags & BIT(8);
	} else {
		reg_from(&acpi.sleep_control, t, n, 244, 0);
	}
	if ((flags & BIT(10)) && n >= 129) {
		reg_from(&acpi.reset, t, n, 116, 0);
		acpi.reset_value = t[128];
	}
	if (n >= 148 && acpi_u64(t + 140) != 0)
		return acpi_u64(t + 140);
	return acpi_u32(t + 40);
}

void acpi_parse_hpet(const uint8_t *t, size_t n)
{
	if (n >= 56 && t[40] == ACPI_SPACE_MEMORY && acpi.hpet == 0)
		acpi.hpet = acpi_u64(t + 44);
}

void acpi_parse_dmar(const uint8_t *t, size_t n)
{
	if (n >= 38)
		acpi.x2apic_opt_out = t[37] & 2;
}

/* A small integer constant of AML; returns the bytes it takes, 0 if it is something else. */
static size_t aml_byte(const uint8_t *p, const uint8_t *end, uint8_t *v)
{
	static const uint8_t width[] = {1, 2, 4}; /* BytePrefix, WordPrefix, DWordPrefix */
	if (p >= end)
		return 0;
	if (*p <= 1) { /* ZeroOp, OneOp */
		*v = *p;
		return 1;
	}
	if (*p < 0x0a || *p > 0x0c)
		return 0;
	size_t n = width[*p - 0x0a];
	if ((size_t)(end - p) <= n)
		return 0;
	*v = p[1];
	return 1 + n;
}

/* AML needs an interpreter, but \_S5_ is always a constant: NameOp, the name (with or without the
 * root prefix), PackageOp, a length of 1 to 4 bytes, the number of elements, the elements. */
void acpi_find_s5(const uint8_t *t, size_t n)
{
	const uint8_t *end = t + n;
	for (const uint8_t *p = t + ACPI_HEADER; !acpi.has_s5 && end - p >= 8; p++) {
		if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12)
			continue;
		if (p[-1] != 0x08 && !(p[-1] == '\\' && p[-2] == 0x08))
			continue;
		const uint8_t *q = p + 5;
		q += 1 + (*q >> 6); /* the length's first byte says how many follow */
		if (end - q < 2 || *q++ < 1)
			continue;
		uint8_t a = 0, b = 0;
		size_t used = aml_byte(q, end, &a);
		if (used == 0)
			continue;
		if (aml_byte(q + used, end, &b) == 0)
			b = 0;
		acpi.has_s5 = true;
		acpi.s5_a = a & 7;
		acpi.s5_b = b & 7;
	}
}
