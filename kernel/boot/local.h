/* SPDX-License-Identifier: MIT */
/*
 * The boot code's own interfaces. All of it but boot_arrived() and the exception handler runs with
 * the first 4 GiB mapped to themselves, at the image's load address, on one CPU, interrupts off.
 */
#ifndef BOOT_LOCAL_H
#define BOOT_LOCAL_H

#include "asm.h"
#include "boot.h"

#define MIB(n)        ((uint64_t)(n) << 20)
#define GIB(n)        ((uint64_t)(n) << 30)
#define PAGE_2M       MIB(2)
#define PAGE_1G       GIB(1)
#define EARLY_MAP_END GIB(4)

/* What a loader said, in its own memory. */
enum { MEM_USABLE = 1, MEM_ACPI = 3, MEM_ACPI_NVS = 4 };
struct mem_entry {
	uint64_t start, end;
	uint32_t type;
};
struct loader {
	const uint8_t *mmap; /* entries: address, length, 32-bit type */
	uint32_t mmap_stride, mmap_count;
	const char *cmdline; /* NULL: none */
	uint64_t initrd, initrd_bytes;
	uint64_t rsdp;
};

/* Fatal, with a sentence on the serial line, if the information cannot be used. */
void loader_pvh(struct loader *l, uint64_t info);
void loader_multiboot2(struct loader *l, uint64_t info);
/* Entry i of the memory map, clamped to BOOT_PHYS_LIMIT; it may be empty. */
struct mem_entry loader_mem(const struct loader *l, unsigned i);
/* [pa, pa + bytes) as a pointer; fatal if the early tables do not map it. */
const void *loader_ptr(uint64_t pa, uint64_t bytes, const char *what);

/* RAM above this is not used. It leaves the direct map room to be moved about. */
#define BOOT_PHYS_LIMIT (UINT64_C(16) << 40)

/* Sets of ranges, sorted and merged. A set that is full forgets its smallest range and counts. */
struct range_set {
	struct boot_range r[BOOT_MAX_RANGES];
	unsigned n;
	unsigned lost;
};
void range_add(struct range_set *s, uint64_t start, uint64_t end);
void range_remove(struct range_set *s, uint64_t start, uint64_t end);
bool range_contains(const struct range_set *s, uint64_t start, uint64_t end);
uint64_t range_total(const struct range_set *s);

/* Memory: fills `usable` (less what is in use) and `mapped` (what the direct map reaches), and
 * bi's phys_top and initrd. */
void boot_memory(const struct loader *l, struct boot_info *bi, struct range_set *usable,
		 struct range_set *mapped);

/* Randomness. absorb() anything, then draw(). */
void entropy_absorb(uint64_t word);
void entropy_absorb_bytes(const void *p, size_t n);
void entropy_collect(void);
uint64_t entropy_draw(void);

/* Chooses bi's four bases. */
void boot_place(struct boot_info *bi);

/* Builds the final tables in memory taken out of `usable`; sets bi->kernel_root. */
void boot_tables(struct boot_info *bi, struct range_set *usable, const struct range_set *mapped);

/* Applies the image's relocations for an image whose first byte is at base; may be repeated. */
void boot_relocate(uint64_t base);

/* Builds and loads the early IDT for the addresses this code runs at. */
void boot_idt_load(void);
/* What a stub leaves on the stack; the last two words only in 64-bit mode, which is always. */
struct boot_frame {
	uint64_t vector, error, ip, cs, flags, sp, ss;
};
noreturn void boot_exception(const struct boot_frame *f, uint64_t bp, uint64_t cr2);

/* 115200 baud, 8 bits, no parity: not every loader leaves the serial port usable. */
void boot_serial_init(void);
/* One line on the serial port, polled. */
void boot_warn(const char *fmt, ...) printf_like(1, 2);
noreturn void boot_fatal(const char *fmt, ...) printf_like(1, 2);

noreturn void boot_main(uint64_t by, uint64_t info);
noreturn void boot_enter(uint64_t delta, phys_t root, struct boot_info *bi, unsigned levels);
noreturn void boot_arrived(struct boot_info *bi);

/* kernel.ld, entry.S, traps.S */
extern char boot_stack_guard[], boot_stack_top[], boot_early_root[], boot_early_root5[],
	boot_trap_stubs[];
extern char boot_rela_start[], boot_rela_end[];

#endif
