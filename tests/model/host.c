/* SPDX-License-Identifier: MIT */
/* The host: memory, its tables, its kernel half, and how it comes up. Physical addresses are
 * addresses here; the arena lies at a fixed place so that a run is the same every time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model.h"

#define ARENA       UINT64_C(0x200000000000)
#define ARENA_PAGES 65536

extern struct patch_place {
	const char *target;
	uint64_t offset;
} kaiser_patch_start[], kaiser_patch_end[];

/* Freed memory goes to the end of a queue, so that it comes back late and with other contents. */
struct queue {
	uint32_t page[ARENA_PAGES];
	unsigned head, tail;
};

static struct arena {
	unsigned next;
	struct queue freed[2]; /* by order */
	uint32_t refs[ARENA_PAGES];
} arena;

void arena_reset(void)
{
	static bool mapped;

	if (!mapped && mmap((void *)ARENA, (size_t)ARENA_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1,
			    0) != (void *)ARENA) {
		perror("model: arena");
		exit(2);
	}
	mapped = true;
	memset(arena.refs, 0, arena.next * sizeof(arena.refs[0]));
	arena.next = 0;
	for (unsigned i = 0; i < 2; i++)
		arena.freed[i].head = arena.freed[i].tail = 0;
}

void *arena_get(unsigned order)
{
	struct queue *q = &arena.freed[order];
	unsigned page;
	void *p;

	if (q->tail - q->head > 64) {
		page = q->page[q->head++ % ARENA_PAGES];
	} else {
		page = (arena.next + (1u << order) - 1) & ~((1u << order) - 1);
		arena.next = page + (1u << order);
		if (arena.next > ARENA_PAGES) {
			fprintf(stderr, "model: the arena is too small\n");
			exit(2);
		}
	}
	p = (void *)(ARENA + (uint64_t)page * PAGE_BYTES);
	memset(p, 0, (size_t)PAGE_BYTES << order);
	return p;
}

void arena_put(void *p, unsigned order)
{
	struct queue *q = &arena.freed[order];

	q->page[q->tail++ % ARENA_PAGES] = (uint32_t)(((uint64_t)p - ARENA) / PAGE_BYTES);
}

/* Data pages are counted: fork shares them. */
void page_ref(uint64_t pa)
{
	arena.refs[(pa - ARENA) / PAGE_BYTES]++;
}

void page_unref(uint64_t pa)
{
	if (--arena.refs[(pa - ARENA) / PAGE_BYTES] == 0)
		arena_put((void *)pa, 0);
}

uint64_t kpage_va(unsigned page)
{
	return KDYN + (uint64_t)page * PAGE_BYTES * 3;
}

/* The entry for va at `level` of tables that the kernel made for itself. */
uint64_t *pte_of(uint64_t *top, uint64_t va, unsigned level)
{
	for (unsigned l = 3; l > level; l--) {
		uint64_t *e = &top[va >> (12 + 9 * l) & 511];
		if (!(*e & PTE_P))
			*e = (uint64_t)arena_get(0) | PTE_P | PTE_W | PTE_A;
		top = (uint64_t *)(*e & PTE_ADDR);
	}
	return &top[va >> (12 + 9 * level) & 511];
}

struct kaiser_space *host_space(int n)
{
	return n < 0 ? &m.k.empty : &m.space[n].ks;
}

static void must(int err, const char *what)
{
	if (err) {
		fprintf(stderr, "model: %s: %s\n", what, kaiser_strerror(err));
		exit(2);
	}
}

static void enter_all(void)
{
	for (unsigned i = 0; i < m.cpus; i++)
		must(kaiser_cpu_prepare(&m.k, i), "kaiser_cpu_prepare");
	for (unsigned i = 0; i < m.cpus; i++) {
		struct kaiser_slot_info si;
		m.self = i;
		must(kaiser_cpu_enter(&m.k, i, 0x1000), "kaiser_cpu_enter");
		m.cpu[i].irq_on = true;
		kaiser_slot_info(&m.k, i, 0, &si);
		m.window_table[i] = ((uint64_t *)si.user_root)[WINDOW >> 39 & 511];
	}
	m.self = 0;
}

/* All anew. */
void model_bring_up(unsigned cpus, unsigned conf)
{
	static const char *text = (const char *)(WINDOW - 0x10000000);

	arena_reset();
	memset(&m.k, 0, sizeof(m.k));
	memset(m.space, 0, sizeof(m.space));
	m.failed = m.running = false;
	m.kernel_lock.held = m.mode_lock.held = false;
	m.isolating = conf & CONF_ON;
	m.changing = 0;
	m.revokes = NULL;
	m.cpus = cpus;
	m.conf = conf;
	m.self = 0;
	m.kernel_top = arena_get(1);
	pte_of(m.kernel_top, WINDOW, 0);
	pte_of(m.kernel_top, KDYN, 0);
	for (struct patch_place *p = kaiser_patch_start; p < kaiser_patch_end; p++)
		p->target = text; /* where this kernel is said to lie */
	for (unsigned i = 0; i < CPUS; i++) {
		struct cpu *c = &m.cpu[i];
		struct fiber f = c->fiber;
		tlb_free(&c->tlb);
		*c = (struct cpu){.fiber = f, .number = i, .space = -1};
		c->efer = conf & CONF_NX ? EFER_NXE : 0;
		tlb_write_cr4(&c->tlb, TLB_CR4_PGE);
		tlb_write_cr3(&c->tlb, (uint64_t)m.kernel_top);
	}
	m.cfg = (struct kaiser_config){
		.ops = model_by_interrupts ? &model_ops_interrupts : &model_ops,
		.ctx = &m,
		.window = WINDOW,
		.cpus = cpus,
		.host_pages = 1,
		.kernel_root = (kaiser_pa_t)m.kernel_top,
		.ldt_top = LDT_TOP,
		.user_end = USER_END,
		.mode = conf & CONF_ON ? KAISER_ON : KAISER_OFF,
	};
	must(kaiser_init(&m.k, &m.cfg), "kaiser_init");
	enter_all();
	machine_start();
}
