/* SPDX-License-Identifier: MIT */
/*
 * The flush model: libkaiser's C on up to eight model CPUs, each with caches as large as they may
 * be (tlb.h) and an adversary that walks whatever is loaded at any moment, under a host that makes
 * address spaces and takes them apart at random.
 *
 * What must never happen: after a flush the host waited for, or when a CPU loads a root, that CPU
 * can still use a translation or a paging-structure entry that the host's tables no longer allow.
 * Only entries whose flush has not come back yet are excused.
 *
 *	main.c	 command line, campaign
 *	run.c	 programs: made, run, printed; shrink.c: a failure made short
 *	ops.c	 what each operation does; memory.c, life.c, tables.c
 *	ldt.c	 LDTs and 16-bit stacks
 *	host.c	 memory, the kernel half, bring-up
 *	hw.c	 the library's seam to the machine, who runs, the gates
 *	check.c	 the adversary, and what is true
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber.h"
#include "internal.h"
#include "tlb.h"

#define CPUS       8
#define SPACES     10
#define PAGES      96 /* user pages of a space that may be mapped: page_va() */
#define KPAGES     6  /* kernel pages that come and go */
#define WINDOW     UINT64_C(0xffffffffa0000000)
#define KDYN       UINT64_C(0xffffc00000000000)
#define LDT_TOP    400 /* top-level index */
#define USER_END   UINT64_C(0x7ffffffff000)
#define PAGE_BYTES 4096

/* ---- a program: what a run does, and all it does ---- */

enum op {
	OP_MAP,
	OP_UNMAP,
	OP_PROTECT,
	OP_FREE_TABLE,
	OP_UNMAP_ALL,
	OP_TOP,
	OP_SWITCH,
	OP_LAZY,
	OP_USER,
	OP_KERNEL,
	OP_SYSCALL,
	OP_FORK,
	OP_EXEC,
	OP_EXIT,
	OP_EVICT,
	OP_MIGRATE,
	OP_KMAP,
	OP_KUNMAP,
	OP_FLUSH_ALL,
	OP_NMI,
	OP_FOREIGN,
	OP_LEAVE,
	OP_MODE,
	OP_ISOLATE,
	OP_LDT,
	OPS
};

struct step {
	uint8_t op, cpu, space, page, n, arg;
};

#define ROUND_STEPS 4

/* Steps that run at the same time, each on a CPU of its own; who goes when follows from seed. */
struct round {
	uint64_t seed;
	unsigned steps;
	struct step step[ROUND_STEPS];
};

enum { CONF_PCID = 1, CONF_INVPCID = 2, CONF_NX = 4, CONF_ON = 8 };

struct program {
	unsigned cpus, conf; /* CONF_* */
	unsigned rounds;
	struct round *round;
};

/* ---- the machine ---- */

struct call {
	void (*fn)(void *arg);
	void *arg;
	unsigned *left;
};

/* What the host took back and has not yet flushed: such entries are excused. */
#define REVOKED (PAGES + 200)
struct revoked {
	uint64_t va, pa;
	uint8_t level;
	bool table;
};
struct revoke {
	struct revoke *next;
	const struct space *space; /* NULL: kernel */
	unsigned n;
	struct revoked e[REVOKED];
};

struct cpu {
	struct tlb tlb;
	struct fiber fiber;
	unsigned number;
	bool irq_on, user, lazy, foreign, gone, interrupted;
	int space; /* what the host runs here; -1: the empty space */
	struct call call[CPUS * 4];
	unsigned calls;
	const struct step *job;
	unsigned nmi_in;     /* yields until the NMI; 0: none */
	bool in_nmi, parked; /* parked: its fiber waits for something to do */
	uint64_t efer, gs;
};

struct lock {
	bool held;
};

struct space {
	struct kaiser_space ks;
	uint64_t *top;
	bool exists, dying;
	unsigned busy; /* operations that use it */
	bool opted_out;
	unsigned changing; /* calls that change that are under way */
	struct lock lock;
};

struct model {
	struct kaiser k;
	struct kaiser_config cfg;
	struct cpu cpu[CPUS];
	struct space space[SPACES];
	struct lock kernel_lock, mode_lock;
	bool isolating;    /* what the host last asked of the whole machine */
	unsigned changing; /* calls that change it are under way */
	struct revoke *revokes;
	uint64_t *kernel_top;
	uint64_t window_table[CPUS]; /* the user root's one entry of the kernel half */
	unsigned cpus, conf;
	unsigned self;        /* the CPU that runs */
	bool running;         /* a round is under way: yields count */
	uint64_t rng;         /* of the round */
	unsigned round_steps; /* of the round under way */
	bool failed;
	char message[256];
	/* done so far; never reset */
	uint64_t steps, yields;
	struct {
		uint64_t cr3, kept, invlpg, invpcid[4], calls, nmis, nmis_user, checks;
	} did;
};

extern struct model m;

static inline struct cpu *this_cpu(void)
{
	return &m.cpu[m.self];
}

unsigned rnd(uint64_t *state, unsigned n);

/* hw.c: the seam, yields, calls between CPUs, and what the gates do. */
/* By call_cpus, or by interrupt_cpus: with --interrupts, when CPUs also leave in the middle of all.
 */
extern bool model_by_interrupts;
extern const struct kaiser_ops model_ops, model_ops_interrupts;
void model_yield(void);
void model_wait(void); /* another CPU must go on first */
void serve_calls(void);
bool pcid_used(void);
void gate_enter(struct cpu *c);
void gate_exit(struct cpu *c);
void machine_start(void);
void machine_round(uint64_t seed);
void lock(struct lock *l);
void unlock(struct lock *l);

/* host.c */
void arena_reset(void);
void *arena_get(unsigned order);
void arena_put(void *p, unsigned order);
void page_ref(uint64_t pa);
void page_unref(uint64_t pa);
uint64_t kpage_va(unsigned page);
void model_bring_up(unsigned cpus, unsigned conf);
struct kaiser_space *host_space(int n); /* -1: the empty one */
uint64_t *pte_of(uint64_t *top, uint64_t va, unsigned level);

/* check.c */
bool is_isolated(const struct space *s); /* NULL: the empty one */
uint64_t page_va(unsigned page);         /* of a user page */
void adversary_walk(struct cpu *c);
void adversary_touch(uint64_t va); /* every CPU that can walks to va */
void check_cpu(struct cpu *c, const char *when);
void check_all(const char *when);
void check_quiet(void);
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void revoke_add(struct revoke *r, uint64_t va, unsigned level, bool table, uint64_t pa);
void revoke_begin(struct revoke *r, const struct space *s);
void revoke_end(struct revoke *r, const char *what);

/* tables.c */
#define MAX_TABLES 64

/* Everything taken out of tables by one operation; given back after the flush. */
struct taken {
	struct revoke revoke;
	unsigned pages, tables;
	uint64_t page[PAGES];
	uint64_t *table[MAX_TABLES];
};
uint64_t *entry_at(struct space *s, uint64_t va, unsigned level); /* NULL: no table there */
void write_entry(uint64_t *e, uint64_t v);
bool map_page(struct space *s, unsigned page, uint64_t pa, unsigned rights);
void take_page(struct space *s, struct taken *t, uint64_t va);
void take_table(struct space *s, struct taken *t, uint64_t va);
void give_back(struct taken *t);

/* ops.c */
void do_step(const struct step *s);
struct space *hold(unsigned n); /* nobody may bury it meanwhile; NULL: there is none */
void drop(struct space *s);
int number(const struct space *s);
void irq_off(void);
void irq_on(void);
void run_space(int n);
void go_lazy(void);

/* memory.c */
void op_map(const struct step *st);
void op_unmap(const struct step *st);
void op_protect(const struct step *st);
void op_free_table(const struct step *st);
void op_unmap_all(const struct step *st);
void op_top(const struct step *st);
void op_kmap(const struct step *st);
void op_kunmap(const struct step *st, bool all);

/* life.c */
void op_fork(const struct step *st);
void op_exit(const struct step *st);
void op_exec(const struct step *st);
void op_evict(const struct step *st);
void op_switch(const struct step *st);
void op_migrate(const struct step *st);
void op_foreign(void);
void op_leave(void);
void op_mode(const struct step *st);
void op_isolate(const struct step *st);
extern const char *const op_names[OPS];

/* ldt.c */
#define STACK16_PLACES 4
void op_ldt(const struct step *st);
uint64_t ldt_va(unsigned page);
uint32_t stack16_sp(unsigned n);
void ldt_exit(struct cpu *c, unsigned n);
void ldt_adversary(struct cpu *c, void (*walk)(struct cpu *c, uint64_t va));
bool stack16_truth(const struct cpu *c, const struct kaiser_space *ks, const struct tlb_entry *e,
		   uint64_t *pa, unsigned *rights);

/* run.c */
void program_make(struct program *p, uint64_t seed, unsigned rounds);
bool program_run(const struct program *p, unsigned *failed_round);
void program_print(const struct program *p, void *file);
bool program_read(struct program *p, const char *path);

/* shrink.c */
void program_shrink(struct program *p);

#endif
