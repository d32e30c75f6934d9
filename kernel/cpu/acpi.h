/* SPDX-License-Identifier: MIT */
/* What the ACPI tables say, as far as this kernel needs it. All zero when there are none. */
#ifndef KERNEL_CPU_ACPI_H
#define KERNEL_CPU_ACPI_H

#include "cpu.h"
#include "page.h"

#define ACPI_MAX_IOAPICS 8
#define ACPI_HEADER      36 /* bytes of the header that every table begins with */

/* A register anywhere: ACPI's generic address structure, mapped if it is memory. */
struct acpi_reg {
	uint8_t space; /* enum acpi_space */
	uint64_t addr; /* 0: there is none */
	volatile void *mem;
};

enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1, ACPI_SPACE_PCI = 2 };

struct acpi_info {
	/* MADT */
	uint32_t apic_id[MAX_CPUS]; /* of CPUs that are enabled, in table order */
	unsigned apic_ids;
	unsigned cpus_ignored; /* beyond MAX_CPUS */
	struct {
		phys_t pa;
		uint32_t gsi_base;
	} ioapic[ACPI_MAX_IOAPICS];
	unsigned ioapics;
	struct {
		bool set;
		uint32_t gsi;
		uint16_t flags; /* bits 0-1 polarity, 2-3 trigger; 0 as the bus has it, 3 inverse */
	} isa[16];

	/* FADT */
	bool hw_reduced;
	uint32_t smi_cmd;
	uint8_t acpi_enable;
	struct acpi_reg pm1a, pm1b; /* control */
	struct acpi_reg pm_timer;
	bool pm_timer_32bit;
	struct acpi_reg reset;
	uint8_t reset_value;
	struct acpi_reg sleep_control;
	uint8_t century; /* CMOS index, 0 if none */

	/* _S5_, from the DSDT or an SSDT */
	bool has_s5;
	uint8_t s5_a, s5_b;

	phys_t hpet;
	bool x2apic_opt_out; /* DMAR: the firmware asks to stay in xAPIC mode */
};

extern struct acpi_info acpi;

/* [pa, pa + n) by its direct-map address, or NULL if any of it is not mapped there. */
const uint8_t *acpi_map(phys_t pa, size_t n);

/* Reads of unaligned little-endian fields. */
uint16_t acpi_u16(const uint8_t *p);
uint32_t acpi_u32(const uint8_t *p);
uint64_t acpi_u64(const uint8_t *p);

/* acpi_tables.c: each takes a whole table whose length and checksum are right. */
void acpi_parse_madt(const uint8_t *t, size_t n);
phys_t acpi_parse_fadt(const uint8_t *t, size_t n); /* returns where the DSDT is, 0 if nowhere */
void acpi_parse_hpet(const uint8_t *t, size_t n);
void acpi_parse_dmar(const uint8_t *t, size_t n);
void acpi_find_s5(const uint8_t *t, size_t n);

#endif
