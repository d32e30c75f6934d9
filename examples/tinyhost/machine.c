/* SPDX-License-Identifier: MIT */
/* What any kernel has: pages, page tables of its own, CPUs by the local APIC, a console. */
#include "tiny.h"

/* ---- memory ---- */

#define MEMORY_END (UINT64_C(32) << 20) /* what is used of it, wherever it ends */

uint64_t kernel_root;
static uint64_t next_page;
static void **free_pages[2];

/* Naturally aligned, cleared. */
void *page_alloc(void *ctx, unsigned order)
{
	uint64_t bytes = PAGE << order, *p = (uint64_t *)free_pages[order];

	if (p) {
		free_pages[order] = *free_pages[order];
	} else {
		next_page = (next_page + bytes - 1) & ~(bytes - 1);
		if (next_page + bytes > MEMORY_END)
			return NULL;
		p = phys_to_virt(ctx, next_page);
		next_page += bytes;
	}
	for (unsigned i = 0; i < bytes / 8; i++)
		p[i] = 0;
	return p;
}

void page_free(void *ctx, void *va, unsigned order)
{
	*(void **)va = free_pages[order];
	free_pages[order] = va;
}

/* For what this kernel cannot do without. */
void *page(void)
{
	void *p = page_alloc(NULL, 0);

	if (!p)
		panic(NULL, "out of memory");
	return p;
}

kaiser_pa_t virt_to_phys(void *ctx, const void *va)
{
	return (uint64_t)va - ((uint64_t)va >= KERNEL_BASE ? KERNEL_BASE : DIRECT_MAP);
}

void *phys_to_virt(void *ctx, kaiser_pa_t pa)
{
	return (void *)(DIRECT_MAP + pa);
}

/* Makes the tables that are missing. Upper entries grant what leaves may. */
void map_page(uint64_t *table, uint64_t va, uint64_t pa, uint64_t bits)
{
	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = &table[va >> shift & 511];
		if (!(*e & PTE_P))
			*e = virt_to_phys(NULL, page()) | PTE_P | PTE_W | (bits & PTE_U);
		table = phys_to_virt(NULL, *e & ~(PAGE - 1));
	}
	table[va >> 12 & 511] = pa | bits;
}

/* Text alone is executable and nothing is in the user half. The direct map is boot.S's, with NX. */
void memory_init(void)
{
	extern char image_text[], image_rodata[], image_data[], image_end[];
	extern uint64_t boot_root[];
	uint64_t *top;

	next_page = (uint64_t)image_end - KERNEL_BASE;
	top = page_alloc(NULL, 1); /* on an even page: CR3 bit 12 says "user root" */
	top[DIRECT_MAP >> 39 & 511] = boot_root[DIRECT_MAP >> 39 & 511] | PTE_NX;
	for (char *p = image_text; p < image_end; p += PAGE)
		map_page(top, (uint64_t)p, virt_to_phys(NULL, p),
			 PTE_P | (p < image_rodata ? 0 : PTE_NX) | (p < image_data ? 0 : PTE_W));
	kernel_root = virt_to_phys(NULL, top);
}

/* ---- CPUs ---- */

enum { ICR = 0x300, TIMER = 0x320, COUNT = 0x380, DIVIDE = 0x3e0 };
enum { ICR_INIT = 0xc4500, ICR_STARTUP = 0xc4600, ICR_OTHERS = 0xc4000, ICR_BUSY = 0x1000 };

volatile uint32_t *apic(unsigned reg)
{
	return phys_to_virt(NULL, 0xfee00000u + reg);
}

static void send_to_others(uint32_t what, unsigned then_wait_us)
{
	*apic(ICR) = what;
	while (*apic(ICR) & ICR_BUSY)
		__builtin_ia32_pause();
	while (then_wait_us-- > 0)
		outb(0x80, 0); /* about a microsecond */
}

void cpus_interrupt(void *ctx, uint64_t mask)
{
	send_to_others(ICR_OTHERS | VEC_CALL, 0); /* who is not in the mask finds nothing to do */
}

void cpus_start(void)
{
	extern char ap_begin[], ap_end[];
	char *from = phys_to_virt(NULL, (uint64_t)ap_begin), *to = phys_to_virt(NULL, AP_PAGE);

	for (unsigned i = 0; i < (unsigned)(ap_end - ap_begin); i++)
		to[i] = from[i];
	send_to_others(ICR_INIT, 10000);
	send_to_others(ICR_STARTUP | AP_PAGE >> 12, 50000);
}

/* The end of each CPU's way up: ticks, which lead to threads. */
void cpu_idle(void)
{
	outb(0x21, 0xff); /* the old interrupt controllers stay silent */
	outb(0xa1, 0xff);
	*apic(DIVIDE) = 3;
	*apic(TIMER) = 0x20000 | VEC_TIMER; /* periodic */
	*apic(COUNT) = 50000;
	for (;;)
		__asm__ volatile("sti; hlt");
}

/* ---- the console ---- */

void print(void *ctx, const char *text)
{
	do {
		while (!(inb(0x3fd) & 0x20))
			__builtin_ia32_pause();
		outb(0x3f8, (uint8_t)(*text ? *text : '\n'));
	} while (*text++);
}

void panic(void *ctx, const char *why)
{
	print(ctx, why);
	outb(0xf4, 0x12);
	for (;;)
		__asm__ volatile("cli; hlt");
}
