/* SPDX-License-Identifier: MIT */
/* What the files of this kernel share. */
#include <kaiser/kaiser.h>

#define KERNEL_BASE UINT64_C(0xffffffff80000000) /* the image: physical 0 is here */
#define DIRECT_MAP  UINT64_C(0xffff800000000000) /* the first 4 GiB of physical memory */
#define USER_END    UINT64_C(0x00007ffffffff000)
#define USER_CODE   UINT64_C(0x400000)
#define USER_DATA   UINT64_C(0x800000)
#define PAGE        UINT64_C(4096)
#define PTE_NX      (UINT64_C(1) << 63)
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4 };
enum { MAX_CPUS = 8, STACK_BYTES = 16384, VEC_TIMER = 0x40, VEC_CALL = 0x41 };

struct thread; /* threads.c */

/* In the host's page behind a CPU's private page, where %gs leads. */
struct cpu {
	struct cpu *self;
	unsigned number;
	struct thread *current; /* NULL: the idle loop */
	uint64_t idle_sp;
};

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;
	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(c) : "i"(KAISER_GS_HOST));
	return c;
}

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

/* memory.c. The functions with a ctx are hooks of libkaiser as they stand. */
extern uint64_t kernel_root; /* physical */
void memory_init(void);
void *page_alloc(void *ctx, unsigned order);
void page_free(void *ctx, void *va, unsigned order);
kaiser_pa_t virt_to_phys(void *ctx, const void *va);
void *phys_to_virt(void *ctx, kaiser_pa_t pa);
bool map_page(uint64_t *top, uint64_t va, uint64_t pa, uint64_t bits);

/* host.c */
extern struct kaiser kaiser;
void host_init(enum kaiser_mode mode);
void host_enter(unsigned cpu);
void print(const char *text, const char *more);
__attribute__((__noreturn__)) void panic(void *ctx, const char *why);

/* cpus.c */
extern unsigned cpus; /* that run threads */
extern char cpu_stacks[MAX_CPUS][STACK_BYTES];
void cpus_start(void);
void cpus_timer(void);
void cpus_call(void *ctx, uint64_t mask, void (*fn)(void *), void *arg);
void cpus_interrupt(unsigned vector);

/* threads.c */
void threads_create(void);
void threads_next(void);
void threads_report(bool right);
