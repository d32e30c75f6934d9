/* SPDX-License-Identifier: MIT */
/*
 * Finds the ACPI tables and checks them. The root pointer comes from the loader or is searched for
 * where a BIOS puts it; it leads to a list of tables, of which four matter here. Nothing is
 * trusted: a table counts only if it is mapped from end to end, has a sane length and sums to zero.
 * Without usable tables the machine is a single CPU with no I/O APIC.
 */
#include "acpi.h"
#include "kmap.h"
#include "printk.h"

#define TABLE_MAX  (8UL << 20)
#define BIOS_START 0xe0000UL
#define BIOS_END   0x100000UL
#define EBDA_PTR   0x40eUL

struct acpi_info acpi;

uint16_t acpi_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t acpi_u32(const uint8_t *p)
{
	return acpi_u16(p) | (uint32_t)acpi_u16(p + 2) << 16;
}

uint64_t acpi_u64(const uint8_t *p)
{
	return acpi_u32(p) | (uint64_t)acpi_u32(p + 4) << 32;
}

const uint8_t *acpi_map(phys_t pa, size_t n)
{
	if (n == 0 || pa >= phys_top || n > phys_top - pa)
		return NULL;
	const uint8_t *p = phys_to_virt(pa);
	for (uint64_t va = ALIGN_DOWN((uint64_t)p, PAGE_SIZE); va < (uint64_t)p + n;
	     va += PAGE_SIZE) {
		uint64_t pte = 0;
		kmap_lookup(va, &pte);
		if (!(pte & PTE_P))
			return NULL;
	}
	return p;
}

static bool sums_to_zero(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;
	while (n--)
		sum = (uint8_t)(sum + *p++);
	return sum == 0;
}

/* A whole table, checked, or NULL with the reason in *why. */
static const uint8_t *table_get(phys_t pa, size_t *n, const char **why)
{
	const uint8_t *p = acpi_map(pa, ACPI_HEADER);
	*why = "outside mapped memory";
	if (p == NULL)
		return NULL;
	*n = acpi_u32(p + 4);
	*why = "bad length";
	if (*n < ACPI_HEADER || *n > TABLE_MAX)
		return NULL;
	*why = "end outside mapped memory";
	if (acpi_map(pa, *n) == NULL)
		return NULL;
	*why = "bad checksum";
	return sums_to_zero(p, *n) ? p : NULL;
}

static bool rsdp_good(const uint8_t *p)
{
	return p != NULL && memcmp(p, "RSD PTR ", 8) == 0 && sums_to_zero(p, 20);
}

static phys_t rsdp_scan(phys_t start, phys_t end)
{
	for (phys_t pa = start; pa + 20 <= end; pa += 16)
		if (rsdp_good(acpi_map(pa, 20)))
			return pa;
	return 0;
}

static phys_t rsdp_search(void)
{
	const uint8_t *bda = acpi_map(EBDA_PTR, 2);
	phys_t pa = 0;
	if (bda != NULL) {
		phys_t ebda = (phys_t)acpi_u16(bda) << 4;
		if (ebda >= 0x400 && ebda < 0xa0000)
			pa = rsdp_scan(ebda, ebda + 1024);
	}
	return pa != 0 ? pa : rsdp_scan(BIOS_START, BIOS_END);
}

static void one_table(phys_t pa)
{
	const char *why;
	size_t n;
	const uint8_t *t = table_get(pa, &n, &why);
	if (t == NULL) {
		printk("acpi: table at %#llx: %s, ignored\n", (unsigned long long)pa, why);
		return;
	}
	if (memcmp(t, "APIC", 4) == 0)
		acpi_parse_madt(t, n);
	else if (memcmp(t, "HPET", 4) == 0)
		acpi_parse_hpet(t, n);
	else if (memcmp(t, "DMAR", 4) == 0)
		acpi_parse_dmar(t, n);
	else if (memcmp(t, "SSDT", 4) == 0)
		acpi_find_s5(t, n);
	else if (memcmp(t, "FACP", 4) == 0) {
		phys_t dsdt = acpi_parse_fadt(t, n);
		t = dsdt ? table_get(dsdt, &n, &why) : NULL;
		if (t != NULL && memcmp(t, "DSDT", 4) == 0)
			acpi_find_s5(t, n);
		else if (dsdt != 0)
			printk("acpi: DSDT at %#llx: %s, ignored\n", (unsigned long long)dsdt,
			       t == NULL ? why : "wrong signature");
	}
}

/* The XSDT has 8-byte entries, the RSDT 4-byte ones. */
static bool walk_root(phys_t pa, const char *signature, size_t entry)
{
	const char *why;
	size_t n;
	const uint8_t *t = table_get(pa, &n, &why);
	if (t != NULL && memcmp(t, signature, 4) != 0) {
		t = NULL;
		why = "wrong signature";
	}
	if (t == NULL) {
		printk("acpi: %s at %#llx: %s\n", signature, (unsigned long long)pa, why);
		return false;
	}
	for (size_t at = ACPI_HEADER; at + entry <= n; at += entry) {
		phys_t table = entry == 8 ? acpi_u64(t + at) : acpi_u32(t + at);
		if (table != 0)
			one_table(table);
	}
	return true;
}

void acpi_init(uint64_t rsdp)
{
	memset(&acpi, 0, sizeof(acpi));
	if (rsdp != 0 && !rsdp_good(acpi_map(rsdp, 20))) {
		printk("acpi: the loader's RSDP at %#llx is no good, searching\n",
		       (unsigned long long)rsdp);
		rsdp = 0;
	}
	if (rsdp == 0)
		rsdp = rsdp_search();
	if (rsdp == 0) {
		printk("acpi: no tables: 1 CPU, no I/O APIC, power-off by guess\n");
		return;
	}

	const uint8_t *p = acpi_map(rsdp, 20);
	bool done = false;
	if (p[15] >= 2) {
		const uint8_t *x = acpi_map(rsdp, 36);
		size_t n = x != NULL ? acpi_u32(x + 20) : 0;
		if (n >= 36 && n <= PAGE_SIZE && acpi_map(rsdp, n) && sums_to_zero(x, n) &&
		    acpi_u64(x + 24) != 0)
			done = walk_root(acpi_u64(x + 24), "XSDT", 8);
	}
	if (!done && acpi_u32(p + 16) != 0)
		done = walk_root(acpi_u32(p + 16), "RSDT", 4);
	if (!done || acpi.apic_ids == 0) {
		printk("acpi: no usable list of CPUs: going on with 1\n");
		acpi.apic_ids = 0;
	}
	if (acpi.cpus_ignored != 0)
		printk("acpi: %u CPUs beyond the limit of %u ignored\n", acpi.cpus_ignored,
		       (unsigned)MAX_CPUS);
}
