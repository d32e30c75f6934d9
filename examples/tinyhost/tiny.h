/* SPDX-License-Identifier: MIT */
/* What machine.c gives to host.c. Functions with a ctx are hooks of libkaiser as they stand. */
#include <kaiser/kaiser.h>

#define KERNEL_BASE UINT64_C(0xffffffff80000000) /* the image: physical 0 is here */
#define DIRECT_MAP  UINT64_C(0xffff800000000000) /* the first 4 GiB of physical memory */
#define PAGE        UINT64_C(4096)
#define PTE_NX      (UINT64_C(1) << 63)
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4 };
enum { MAX_CPUS = 8, STACK_BYTES = 16384, VEC_TIMER = 0x40, VEC_CALL = 0x41, AP_PAGE = 0x8000 };

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

extern uint64_t kernel_root; /* physical */

void memory_init(void);
void *page(void);
void *page_alloc(void *ctx, unsigned order);
void page_free(void *ctx, void *va, unsigned order);
kaiser_pa_t virt_to_phys(void *ctx, const void *va);
void *phys_to_virt(void *ctx, kaiser_pa_t pa);
void map_page(uint64_t *top, uint64_t va, uint64_t pa, uint64_t bits);

enum { APIC_EOI = 0xb0, APIC_ON = 0xf0 };
volatile uint32_t *apic(unsigned reg);
void cpus_start(void);
void cpus_interrupt(void *ctx, uint64_t mask);
__attribute__((__noreturn__)) void cpu_idle(void);

void print(void *ctx, const char *text); /* one line */
__attribute__((__noreturn__)) void panic(void *ctx, const char *why);
